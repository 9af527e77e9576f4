//! A timeline to look at.

mod spark;
mod svg;

pub use spark::sparkline;
pub use svg::svg;
