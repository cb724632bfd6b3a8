use port_test::port_test;

#[port_test(ports = [])]
async fn test() {}

fn main() {}
