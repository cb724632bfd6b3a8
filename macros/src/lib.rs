//! The attribute of `port-test`. Its documentation is where users meet it: `port_test::port_test`.
