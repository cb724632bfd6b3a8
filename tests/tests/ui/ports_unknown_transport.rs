use port_test::port_test;

#[port_test(ports = ["quic/upd"])]
async fn test() {}

fn main() {}
