use std::process::Termination;

use port_test::port_test;

#[port_test]
async fn test() -> impl Termination {}

fn main() {}
