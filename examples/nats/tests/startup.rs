//! What it costs that a NATS server is a node.

#[path = "../../redis/tests/by_hand/mod.rs"]
mod by_hand;

use std::process::Command;

use port_test::{BoxError, port_test};

#[port_test(timeout = "120s")]
#[ignore = "needs nats-server"]
async fn startup() -> Result<(), BoxError> {
    by_hand::compare("nats", |port| {
        let mut server = Command::new("nats-server");
        server.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
        server.args(["--jetstream", "--store_dir", "."]);
        server
    })
    .await
}
