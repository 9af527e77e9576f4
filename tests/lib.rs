//! The journeys of funcify, through its public API, on real servers: `main.rs` names them, `tests/run` runs them.
