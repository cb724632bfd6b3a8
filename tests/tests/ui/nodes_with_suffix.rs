use port_test::port_test;

#[port_test(nodes = 3u8)]
async fn test() {}

fn main() {}
