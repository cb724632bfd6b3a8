use port_test::port_test;

#[port_test]
fn test() {}

fn main() {}
