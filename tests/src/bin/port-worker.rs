//! A process that asks for a port in circumstances that a test cannot give itself, and prints
//! what it got: `port-worker global`, `port-worker privileged` or `port-worker full`.

use std::env;
use std::fs::File;

use port_test::{AllocError, PortAllocator, PortLease};

fn main() {
    let result = match env::args().nth(1).as_deref() {
        Some("global") => PortAllocator::global().try_lease(),
        Some("privileged") => lease_from(1, 9),
        Some("full") => {
            // Made before, so that it is the lease that fails.
            let ports = PortAllocator::builder().build().expect("a range");
            let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            let result = ports.try_lease();
            drop(files);
            result
        }
        other => panic!("not understood: {other:?}"),
    };
    match result {
        Ok(lease) => println!("leased {}", lease.port()),
        Err(error) => println!("{:?}: {error}", error.kind()),
    }
}

fn lease_from(first: u16, last: u16) -> Result<PortLease, AllocError> {
    PortAllocator::builder()
        .range(first..=last)
        .build()?
        .try_lease()
}
