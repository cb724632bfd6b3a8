use port_test::{TestNode, port_test};

#[port_test]
async fn test(#[cfg(all())] _node: TestNode<()>) {}

fn main() {}
