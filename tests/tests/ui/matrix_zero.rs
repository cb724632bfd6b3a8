use port_test::port_test;

#[port_test(nodes = [1, 0])]
async fn test() {}

fn main() {}
