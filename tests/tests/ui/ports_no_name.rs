use port_test::port_test;

#[port_test(ports = ["raft log"])]
async fn test() {}

fn main() {}
