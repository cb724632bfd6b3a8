//! The tests themselves are in `tests/`.
