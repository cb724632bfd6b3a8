use port_test::port_test;

#[port_test]
#[test]
async fn test() {}

fn main() {}
