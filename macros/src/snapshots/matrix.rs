#[port_test(nodes = [1, 3])]
/// Docs.
#[ignore = "slow"]
#[cfg(unix)]
#[allow(unused)]
pub async fn sizes(cluster: Cluster<()>) {}
// expands to
#[cfg_attr(not(test), allow(dead_code))]
#[allow(clippy::items_after_statements)]
#[doc = " Docs."]
#[cfg(unix)]
#[allow(unused)]
fn sizes(__test: &::port_test::__private::Test) {
    const _: () = {
        #[allow(unused_imports)]
        use ::port_test::__private::Uncounted as _;
        ::port_test::__private::check_count(
            &[
                ::port_test::__private::Nodes::Matrix(1usize),
                ::port_test::__private::Nodes::Matrix(3usize),
            ],
            &[::port_test::__private::CountOf::<Cluster<()>>::COUNT],
        );
    };
    let __slot0 = ::port_test::__private::Slot::new();
    let __argument0 = ::port_test::__private::argument::<Cluster<()>>(&__slot0, "cluster");
    ::port_test::__private::run(
        __test,
        &[&__slot0],
        ::port_test::__private::body(::std::boxed::Box::new(async {
            if false {
                return;
            }
            let cluster = __argument0.take();
        })),
    );
}
#[cfg(test)]
#[cfg(unix)]
mod sizes {
    #[::core::prelude::v1::test]
    #[ignore = "slow"]
    fn nodes_1() {
        super::sizes(
            &::port_test::__private::Test::new(
                ::core::concat!(::core::module_path!(), "::", "nodes_1"),
                ::core::option_env!("CARGO_PKG_NAME"),
            )
            .nodes(::port_test::__private::Nodes::Matrix(1usize)),
        );
    }
    #[::core::prelude::v1::test]
    #[ignore = "slow"]
    fn nodes_3() {
        super::sizes(
            &::port_test::__private::Test::new(
                ::core::concat!(::core::module_path!(), "::", "nodes_3"),
                ::core::option_env!("CARGO_PKG_NAME"),
            )
            .nodes(::port_test::__private::Nodes::Matrix(3usize)),
        );
    }
}
