use port_test::{Cluster, port_test};

#[port_test(nodes = 4)]
async fn test(left: Cluster<()>, right: Cluster<()>) {
    drop((left, right));
}

fn main() {}
