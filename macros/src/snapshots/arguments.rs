#[port_test(nodes = 4)]
pub async fn mixed(
    mut db: TestNode<Db>,
    _replicas: &[TestNode<Db>; 2],
    #[allow(unused)] r#type: Alias,
) {
    use_them(db, r#type);
}
// expands to
#[cfg_attr(test, ::core::prelude::v1::test)]
#[cfg_attr(not(test), allow(dead_code))]
#[allow(clippy::items_after_statements)]
pub fn mixed() {
    const _: () = {
        #[allow(unused_imports)]
        use ::port_test::__private::Uncounted as _;
        ::port_test::__private::check_count(
            &[::port_test::__private::Nodes::Given(4usize)],
            &[
                ::port_test::__private::CountOf::<TestNode<Db>>::COUNT,
                ::port_test::__private::CountOf::<&[TestNode<Db>; 2]>::COUNT,
                ::port_test::__private::CountOf::<Alias>::COUNT,
            ],
        );
    };
    let __slot0 = ::port_test::__private::Slot::new();
    let __slot1 = ::port_test::__private::Slot::new();
    let __slot2 = ::port_test::__private::Slot::new();
    let __argument0 = ::port_test::__private::argument::<TestNode<Db>>(&__slot0, "db");
    let __argument1 = ::port_test::__private::argument::<&[TestNode<Db>; 2]>(&__slot1, "replicas");
    let __argument2 = ::port_test::__private::argument::<Alias>(&__slot2, "type");
    ::port_test::__private::run(
        &::port_test::__private::Test::new(
            ::core::concat!(::core::module_path!(), "::", "mixed"),
            ::core::option_env!("CARGO_PKG_NAME"),
        )
        .nodes(::port_test::__private::Nodes::Given(4usize)),
        &[&__slot0, &__slot1, &__slot2],
        ::port_test::__private::body(::std::boxed::Box::new(async {
            if false {
                return;
            }
            let mut db = __argument0.take();
            let _replicas = __argument1.take();
            #[allow(unused)]
            let r#type = __argument2.take();
            use_them(db, r#type);
        })),
    );
}
