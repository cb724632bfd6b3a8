use port_test::port_test;

#[port_test(flavor = "multi_thread", worker_threads = 0)]
async fn test() {}

fn main() {}
