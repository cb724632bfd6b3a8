#[port_test(nodes = 3, service = |cx| async move { start(cx).await })]
async fn served(first: TestNode<Kv>, rest: Cluster<Kv>) {}
// expands to
#[cfg_attr(test, ::core::prelude::v1::test)]
#[cfg_attr(not(test), allow(dead_code))]
#[allow(clippy::items_after_statements)]
fn served() {
    const _: () = {
        #[allow(unused_imports)]
        use ::port_test::__private::Uncounted as _;
        ::port_test::__private::check_count(
            &[::port_test::__private::Nodes::Given(3usize)],
            &[
                ::port_test::__private::CountOf::<TestNode<Kv>>::COUNT,
                ::port_test::__private::CountOf::<Cluster<Kv>>::COUNT,
            ],
        );
    };
    let __service = ::port_test::__private::service(|cx| async move { start(cx).await });
    let __slot0 = ::port_test::__private::Slot::new();
    let __slot1 = ::port_test::__private::Slot::new();
    let __argument0 =
        ::port_test::__private::argument_by::<_, TestNode<Kv>>(&__slot0, "first", &__service);
    let __argument1 =
        ::port_test::__private::argument_by::<_, Cluster<Kv>>(&__slot1, "rest", &__service);
    ::port_test::__private::run(
        &::port_test::__private::Test::new(
            ::core::concat!(::core::module_path!(), "::", "served"),
            ::core::option_env!("CARGO_PKG_NAME"),
        )
        .nodes(::port_test::__private::Nodes::Given(3usize)),
        &[&__slot0, &__slot1],
        ::port_test::__private::body(::std::boxed::Box::new(async {
            if false {
                return;
            }
            let first = __argument0.take();
            let rest = __argument1.take();
        })),
    );
}
