//! What the crates of funcify share with each other: clocks, randomness, and the pure rules.
//!
//! This module is not part of the public API: anything in it may change in any release.

pub use crate::{
    chance::Chance,
    clock::{Clock, ManualClock, SystemClock},
    deadline::PendingReport,
    diagnosis::{Diagnosed, Needs, TRIED_RECORD, Trial},
    error_chain::{causes, error_chain},
    hex::hex,
    idempotency::{
        decide::{KeyDecision, LostClaim, decide as decide_key, decide_lost},
        record::{Claimant, Status as KeyStatus},
    },
    register::{
        body::{MAX_RECORD_BYTES, text_of},
        poll_policy::OPERATION,
        record::{decode, encode},
        time_limits::{Advice, TimeLimitError, TimeLimits},
    },
    token::{
        decide::{Asker, Decision, decide, refreshes_early},
        record::{Lease, RememberedFailure},
        transition::{Minted, ProviderFailure},
    },
    virtual_clock::VirtualClock,
};

/// The metrics of funcify.
pub mod metrics {
    pub use crate::metrics::*;
}

/// The parts of a circuit's record and the pure rules, for the simulator, the benches and the models.
pub mod circuit {
    pub use crate::circuit::{
        bucket::Bucket,
        history::Transition,
        instance::Instance,
        record::{Failure, Probe},
        rules::{
            Admission, Permit, Report, Rule, Sampling, admit, apply, close, credible, lease,
            set_override,
        },
    };
}
