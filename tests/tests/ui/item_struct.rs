use port_test::port_test;

#[port_test]
struct Test;

fn main() {}
