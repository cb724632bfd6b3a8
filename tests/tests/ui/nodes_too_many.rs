use port_test::port_test;

#[port_test(nodes = 70000)]
async fn test() {}

fn main() {}
