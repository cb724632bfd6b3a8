#[port_test(nodes = 0)]
#[test]
#[ignore]
pub const async unsafe fn wrong<T>(arguments: T) -> T {
    arguments
}
// expands to
#[allow(dead_code)]
#[ignore]
pub async fn wrong<T>(arguments: T) -> T {
    arguments
}
::core::compile_error! { "a test cannot have 0 nodes: write at least `nodes = 1`, or leave `nodes` out of a test that takes none" }
::core::compile_error! { "`#[port_test]` already makes this a test: remove `#[test]`" }
::core::compile_error! { "a test cannot be `const`: remove it" }
::core::compile_error! { "a test cannot be `unsafe`: remove it, and put an `unsafe` block in the body" }
::core::compile_error! { "a test cannot be generic: write the types out, and call a generic function from one test for each" }
