use port_test::{TestNode, port_test};

#[port_test]
async fn test(node: &mut TestNode<()>) {
    let _ = node.id();
}

fn main() {}
