use port_test::port_test;

#[port_test(retries = 3)]
async fn test() {}

fn main() {}
