use port_test::{TestNode, port_test};

#[port_test(nodes = 2)]
async fn test(first: TestNode<()>, others: [TestNode<()>; 2]) {
    drop((first, others));
}

fn main() {}
