use port_test::port_test;

#[port_test(timeout = "1h")]
async fn test() {}

fn main() {}
