use port_test::port_test;

#[port_test]
#[test_log::test]
async fn test() {}

fn main() {}
