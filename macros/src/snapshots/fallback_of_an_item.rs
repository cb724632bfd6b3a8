#[port_test]
struct Fixture {
    field: u8,
}
// expands to
struct Fixture {
    field: u8,
}
::core::compile_error! { "`#[port_test]` makes a test of an `async fn`, but this is a struct" }
