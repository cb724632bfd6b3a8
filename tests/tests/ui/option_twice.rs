use port_test::port_test;

#[port_test(timeout = "1s", timeout = "2s")]
async fn test() {}

fn main() {}
