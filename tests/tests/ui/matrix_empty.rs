use port_test::port_test;

#[port_test(nodes = [])]
async fn test() {}

fn main() {}
