use port_test::port_test;

struct Fixture(u8);

impl Fixture {
    #[port_test]
    async fn test(&self) {
        assert_eq!(self.0, 0);
    }
}

fn main() {}
