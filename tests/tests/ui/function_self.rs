use port_test::port_test;

#[port_test]
async fn test(&self) {}

fn main() {}
