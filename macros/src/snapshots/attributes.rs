#[port_test]
/// Docs.
#[should_panic(expected = "boo")]
#[cfg(unix)]
async fn attributes() -> ! {
    #![allow(unused_variables)]
    panic!("boo")
}
// expands to
#[cfg_attr(test, ::core::prelude::v1::test)]
#[cfg_attr(not(test), allow(dead_code))]
#[allow(clippy::items_after_statements)]
#[doc = " Docs."]
#[should_panic(expected = "boo")]
#[cfg(unix)]
#[allow(unused_variables)]
fn attributes() {
    ::port_test::__private::run_alone(
        &::port_test::__private::Test::new(
            ::core::concat!(::core::module_path!(), "::", "attributes"),
            ::core::option_env!("CARGO_PKG_NAME"),
        )
        .should_panic(::port_test::__private::ShouldPanic::With("boo")),
        ::std::boxed::Box::new(async {
            if false {
                return;
            }
            panic!("boo")
        }),
    );
}
