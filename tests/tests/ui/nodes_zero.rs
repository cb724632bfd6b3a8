use port_test::port_test;

#[port_test(nodes = 0)]
async fn test() {}

fn main() {}
