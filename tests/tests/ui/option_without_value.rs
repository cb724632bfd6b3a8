use port_test::port_test;

#[port_test(timeout)]
async fn test() {}

fn main() {}
