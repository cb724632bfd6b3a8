use port_test::{TestNode, port_test};

#[port_test(service = 3)]
async fn test(bare: TestNode<()>) {
    drop(bare);
}

fn main() {}
