use port_test::port_test;

#[port_test]
#[tokio::test]
async fn test() {}

fn main() {}
