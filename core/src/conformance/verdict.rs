//! The result of one check.

use crate::{StoreError, error_chain::error_chain, register::NameError};

pub(super) type Verdict<T = ()> = Result<T, Shortfall>;

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum Shortfall {
    Broken(String),
    NotExercised(String),
}

/// Ends the check as failed unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err($crate::conformance::verdict::Shortfall::Broken(format!($($why)+)));
        }
    };
}

pub(super) use ensure;

impl Shortfall {
    pub(super) fn cannot_inject() -> Self {
        Self::NotExercised("the subject cannot inject this content".to_owned())
    }

    pub(super) fn cannot_break() -> Self {
        Self::NotExercised("the subject cannot cause this fault".to_owned())
    }

    pub(super) fn reads_are_stale() -> Self {
        Self::NotExercised("reads of this store may be stale".to_owned())
    }
}

impl From<StoreError> for Shortfall {
    fn from(error: StoreError) -> Self {
        Self::Broken(error_chain(&error))
    }
}

impl From<NameError> for Shortfall {
    fn from(error: NameError) -> Self {
        Self::Broken(error.to_string())
    }
}
