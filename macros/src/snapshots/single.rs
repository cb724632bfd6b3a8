#[port_test]
async fn empty() {
    assert!(true);
}
// expands to
#[cfg_attr(test, ::core::prelude::v1::test)]
#[cfg_attr(not(test), allow(dead_code))]
#[allow(clippy::items_after_statements)]
fn empty() {
    ::port_test::__private::run_alone(
        &::port_test::__private::Test::new(
            ::core::concat!(::core::module_path!(), "::", "empty"),
            ::core::option_env!("CARGO_PKG_NAME"),
        ),
        ::std::boxed::Box::new(async {
            if false {
                return;
            }
            assert!(true);
        }),
    );
}
