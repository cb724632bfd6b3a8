use port_test::port_test;

#[port_test]
async fn test(n: u8) {
    assert_eq!(n, 0);
}

fn main() {}
