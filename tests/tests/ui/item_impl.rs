use port_test::port_test;

struct Fixture;

#[port_test]
impl Fixture {}

fn main() {}
