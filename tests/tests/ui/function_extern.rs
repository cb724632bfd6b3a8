use port_test::port_test;

#[port_test]
async extern "C" fn test() {}

fn main() {}
