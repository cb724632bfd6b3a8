//! Compiles the protocol with protox, which is Rust: there is no protoc to install.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/kv.proto");
    let files = protox::compile(["proto/kv.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(files)?;
    Ok(())
}
