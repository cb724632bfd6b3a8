use port_test::port_test;

#[port_test(timeout = "0s")]
async fn test() {}

fn main() {}
