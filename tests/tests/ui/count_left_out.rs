use port_test::{Cluster, port_test};

#[port_test]
async fn test(cluster: Cluster<()>) {
    drop(cluster);
}

fn main() {}
