use port_test::port_test;

#[port_test(worker_threads = 2)]
async fn test() {}

fn main() {}
