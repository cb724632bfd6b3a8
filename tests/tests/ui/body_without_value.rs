use port_test::port_test;

#[port_test]
async fn test() -> Result<(), String> {
    Err("no leader".to_owned())?;
}

fn main() {}
