use port_test::{TestNode, port_test};

// Outside `--test` as well, where rustc does not look at a plain `#[test]`.
#[port_test]
async fn test(node: TestNode<()>) {
    node.does_not_exist();
}

fn main() {}
