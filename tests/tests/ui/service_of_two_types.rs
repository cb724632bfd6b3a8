use port_test::{BoxError, NodeContext, TestNode, port_test};

struct Store;

async fn start(_cx: NodeContext) -> Result<Store, BoxError> {
    Ok(Store)
}

#[port_test(service = start)]
async fn test(store: TestNode<Store>, bare: TestNode<()>) {
    drop((store, bare));
}

fn main() {}
