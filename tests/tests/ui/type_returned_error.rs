use port_test::port_test;

struct Failure;

#[port_test]
async fn test() -> Result<(), Failure> {
    Ok(())
}

fn main() {}
