use port_test::port_test;

#[port_test]
async fn test(_cluster: Clustr<()>) {}

fn main() {}
