use port_test::port_test;

#[port_test]
mod tests {}

fn main() {}
