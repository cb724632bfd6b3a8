use port_test::port_test;

#[port_test(ports = ["raft", "raft/udp"])]
async fn test() {}

fn main() {}
