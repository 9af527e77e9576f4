//! The quorum of a rule: from how many instances the failures must come.

use crate::circuit::{Failure, Instance};

/// The default in policies that are read from JSON or TOML: one instance can open the circuit.
pub(super) fn one() -> u32 {
    1
}

/// Whether the failures come from at least `quorum` instances.
pub(super) fn is_met(failures: &[Failure], quorum: u32) -> bool {
    let is_first = |(place, failure): &(usize, &Failure)| {
        !failures.iter().take(*place).any(|other| other.instance == failure.instance)
    };
    failures.iter().enumerate().filter(is_first).count() >= size(quorum)
}

/// Returns how many of the failures come from `instance`.
pub(super) fn failures_of(instance: Instance, failures: &[Failure]) -> usize {
    failures.iter().filter(|failure| failure.instance == instance).count()
}

pub(super) fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
