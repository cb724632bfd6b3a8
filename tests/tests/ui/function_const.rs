use port_test::port_test;

#[port_test]
const async fn test() {}

fn main() {}
