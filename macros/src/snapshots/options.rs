#[port_test(ports = ["raft", "quic/udp"], timeout = "1.5s", flavor = "multi_thread", worker_threads = 2, crate = crate::testing)]
async fn options(node: TestNode<()>) {}
// expands to
#[cfg_attr(test, ::core::prelude::v1::test)]
#[cfg_attr(not(test), allow(dead_code))]
#[allow(clippy::items_after_statements)]
fn options() {
    let __slot0 = crate::testing::__private::Slot::new();
    let __argument0 = crate::testing::__private::counted::<TestNode<()>>(&__slot0, "node");
    crate::testing::__private::run(
        &crate::testing::__private::Test::new(
            ::core::concat!(::core::module_path!(), "::", "options"),
            ::core::option_env!("CARGO_PKG_NAME"),
        )
        .ports(&["raft", "quic/udp"])
        .timeout_ms(1500u64)
        .flavor({
            const _: () = ::core::assert!(
                crate::testing::__private::MULTI_THREAD,
                "this flavor needs tokio's feature `rt-multi-thread`: enable it in `Cargo.toml`, for `tokio` or for `port-test`"
            );
            crate::testing::__private::Flavor::MultiThread {
                worker_threads: ::core::option::Option::Some(2usize),
            }
        }),
        &[&__slot0],
        crate::testing::__private::body(::std::boxed::Box::new(async {
            if false {
                return;
            }
            let node = __argument0.take();
        })),
    );
}
