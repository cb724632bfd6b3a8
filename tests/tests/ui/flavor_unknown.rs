use port_test::port_test;

#[port_test(flavor = "multi_threaded")]
async fn test() {}

fn main() {}
