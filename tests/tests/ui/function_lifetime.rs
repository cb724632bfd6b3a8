use port_test::{TestNode, port_test};

#[port_test]
async fn test<'a>(node: &'a TestNode<()>) {
    let _ = node.id();
}

fn main() {}
