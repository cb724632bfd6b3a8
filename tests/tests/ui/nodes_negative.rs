use port_test::port_test;

#[port_test(nodes = -1)]
async fn test() {}

fn main() {}
