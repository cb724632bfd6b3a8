#[port_test]
async fn returns(node: TestNode<()>) -> Result<(), Error> {
    node.kill().await?;
    Ok(())
}
// expands to
#[cfg_attr(test, ::core::prelude::v1::test)]
#[cfg_attr(not(test), allow(dead_code))]
#[allow(clippy::items_after_statements)]
fn returns() {
    let __slot0 = ::port_test::__private::Slot::new();
    let __argument0 = ::port_test::__private::counted::<TestNode<()>>(&__slot0, "node");
    ::port_test::__private::run(
        &::port_test::__private::Test::new(
            ::core::concat!(::core::module_path!(), "::", "returns"),
            ::core::option_env!("CARGO_PKG_NAME"),
        ),
        &[&__slot0],
        {
            #[allow(unused_imports)]
            use ::port_test::__private::{ViaDebug as _, ViaResult as _, ViaTermination as _};
            (&&&::port_test::__private::Returns::<Result<(), Error>>::new()).body(
                ::std::boxed::Box::new(async {
                    if false {
                        return ::port_test::__private::never::<Result<(), Error>>();
                    }
                    let node = __argument0.take();
                    node.kill().await?;
                    Ok(())
                }),
            )
        },
    );
}
