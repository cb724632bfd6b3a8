use port_test::{TestNode, port_test};

#[port_test(nodes = [1, 3])]
async fn test(nodes: [TestNode<()>; 3]) {
    drop(nodes);
}

fn main() {}
