//! Real ports and real nodes for tests.
