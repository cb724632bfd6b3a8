use port_test::port_test;

#[port_test(ports = "raft")]
async fn test() {}

fn main() {}
