//! Pictures of a timeline.

mod spark;
mod svg;

pub use spark::sparkline;
pub use svg::svg;

use super::Slot;

/// One row of a picture, and the number of a slot that it shows.
struct Row {
    name: &'static str,
    colour: &'static str,
    of: fn(&Slot) -> u32,
}

/// The rows from top to bottom.
const ROWS: [Row; 4] = [
    Row { name: "passed", colour: "#2b8a3e", of: |slot| slot.passed },
    Row { name: "failed", colour: "#c92a2a", of: |slot| slot.failed },
    Row { name: "refused", colour: "#e67700", of: |slot| slot.refused },
    Row { name: "probes", colour: "#1864ab", of: |slot| slot.probes },
];
