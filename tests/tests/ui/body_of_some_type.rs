use port_test::port_test;

#[port_test]
async fn test() {
    3
}

fn main() {}
