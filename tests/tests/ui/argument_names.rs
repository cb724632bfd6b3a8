use port_test::{TestNode, port_test};

#[port_test]
async fn test(_a: TestNode<()>, a: TestNode<()>) {
    drop(a);
}

fn main() {}
