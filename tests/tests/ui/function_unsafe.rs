use port_test::port_test;

#[port_test]
async unsafe fn test() {}

fn main() {}
