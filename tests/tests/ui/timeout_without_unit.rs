use port_test::port_test;

#[port_test(timeout = "30")]
async fn test() {}

fn main() {}
