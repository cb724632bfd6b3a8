use port_test::port_test;

#[port_test(nodes = 0, timeout = 30, prots = ["raft"])]
fn test<T>() {}

fn main() {}
