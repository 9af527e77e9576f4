use crate::circuit::{Cause, CircuitRecord};

/// The decision of a rule about a report while the circuit is closed.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(super) enum Verdict {
    /// The circuit stays closed. The record has the report counted.
    Counted(CircuitRecord),
    /// The circuit opens.
    Opens(Cause),
}

/// How many calls one report represents, its weight. A call is reported with a chance of one in its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// The weight of a call that succeeded in time.
    pub good: u32,
    /// The weight of a call that failed or was slow.
    pub bad: u32,
}

impl Sampling {
    /// Every call is reported.
    pub(in crate::circuit) const EVERY_CALL: Self = Self { good: 1, bad: 1 };

    pub(in crate::circuit) fn weight(self, is_bad: bool) -> u32 {
        if is_bad { self.bad } else { self.good }
    }
}
