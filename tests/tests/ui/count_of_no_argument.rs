use port_test::port_test;

#[port_test(nodes = 3)]
async fn test() {}

fn main() {}
