//! The tests themselves are in `tests/`; here is what several of them share.

pub mod fixture;
pub mod noise;
