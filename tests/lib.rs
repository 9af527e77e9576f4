//! The integration tests of funcify: `main.rs` lists them, `tests/run` runs them on real servers.
