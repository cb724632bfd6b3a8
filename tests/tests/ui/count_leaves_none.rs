use port_test::{Cluster, TestNode, port_test};

#[port_test(nodes = 1)]
async fn test(first: TestNode<()>, others: Cluster<()>) {
    drop((first, others));
}

fn main() {}
