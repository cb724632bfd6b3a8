use port_test::{TestNode, port_test};

#[port_test]
async fn test<H: 'static>(node: TestNode<H>) {
    drop(node);
}

fn main() {}
