use port_test::port_test;

#[port_test(node = 3)]
async fn test() {}

fn main() {}
