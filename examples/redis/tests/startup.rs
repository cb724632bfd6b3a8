//! What it costs that a Redis server is a node.

mod by_hand;

use std::process::Command;

use port_test::{BoxError, port_test};

#[port_test(timeout = "120s")]
#[ignore = "needs redis-server"]
async fn startup() -> Result<(), BoxError> {
    by_hand::compare("redis", |port| {
        let mut server = Command::new("redis-server");
        server.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        server.args(["--save", ""]);
        // It looks for signals this often a second; by default 10 times, which would be all one measures.
        server.args(["--hz", "500"]);
        server
    })
    .await
}
