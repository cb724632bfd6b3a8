use port_test::port_test;

#[port_test(3)]
async fn test() {}

fn main() {}
