//! Ports in processes and namespaces of their own: the environment, exhaustion, limits, permissions, and
//! what comes of many leases.

mod alone;
mod edges;
mod endurance;
mod environment;
mod exhaustion;
mod forks;
mod holder;
mod namespaces;
