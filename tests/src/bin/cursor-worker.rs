//! A process that leases as it is told: for each number on a line of stdin it takes so many leases, one
//! after the other, drops each, and prints the ports on a line.

use std::error::Error;
use std::io;

use port_test::PortAllocator;

fn main() -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lines() {
        let mut ports = Vec::new();
        for _ in 0..line?.trim().parse()? {
            let lease = PortAllocator::global().blocking_lease()?;
            ports.push(lease.port().to_string());
        }
        println!("{}", ports.join(" "));
    }
    Ok(())
}
