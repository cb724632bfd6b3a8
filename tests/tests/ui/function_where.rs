use port_test::{TestNode, port_test};

#[port_test]
async fn test(_: TestNode<()>)
where
    (): Send,
{
}

fn main() {}
