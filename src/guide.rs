//! The chapters of the documentation, as they stand in `docs/`.

#[doc = include_str!("../docs/circuit.md")]
pub mod circuit {}

#[doc = include_str!("../docs/token.md")]
pub mod token {}

#[doc = include_str!("../docs/pipeline.md")]
pub mod pipeline {}

#[doc = include_str!("../docs/migration.md")]
pub mod migration {}
