use port_test::{TestNode, port_test};

#[port_test]
async fn test(node: TestNode<impl Send + Sync + 'static>) {
    drop(node);
}

fn main() {}
