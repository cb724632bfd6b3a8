use port_test::port_test;

trait Fixture {
    #[port_test]
    async fn test();
}

fn main() {}
