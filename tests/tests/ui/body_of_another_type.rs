use port_test::port_test;

#[port_test]
async fn test() -> Result<(), String> {
    3
}

fn main() {}
