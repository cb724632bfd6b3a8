use port_test::{TestNode, port_test};

struct Database;

#[port_test]
async fn test(db: TestNode<Database>) {
    drop(db);
}

fn main() {}
