use port_test::port_test;

#[port_test(timeout = "fast")]
async fn test() {}

fn main() {}
