use port_test::port_test;

#[port_test(crate = "port_test")]
async fn test() {}

fn main() {}
