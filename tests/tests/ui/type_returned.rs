use port_test::port_test;

struct Verdict;

#[port_test]
async fn test() -> Verdict {
    Verdict
}

fn main() {}
