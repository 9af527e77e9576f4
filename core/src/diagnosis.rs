//! What the command `funcify doctor` asks a store, to find out what is wrong with it.

use std::fmt;

use async_trait::async_trait;

use crate::{StoreError, Timestamp};

/// The key of the record on which the rights are tried. Its kind is `doctor`, so that it can never be a
/// record of the fleet.
pub const TRIED_RECORD: &str = "doctor:rights";

/// Who needs a right in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Every function. Without the right, nothing works.
    Function,
    /// Only an operator, or nobody: functions work without the right.
    Operator,
}

/// The result of trying one right.
#[derive(Debug)]
pub struct Trial {
    /// The right, as the store names it, such as `+hmget` or `dynamodb:GetItem`.
    pub right: &'static str,
    /// Who needs the right.
    pub needs: Needs,
    /// `Ok` if the right was granted, or the error of the store.
    pub result: Result<(), StoreError>,
}

impl Trial {
    /// Creates the result of trying a right that every function needs.
    #[must_use]
    pub fn for_functions(right: &'static str, result: Result<(), StoreError>) -> Self {
        Self { right, needs: Needs::Function, result }
    }

    /// Creates the result of trying a right that functions work without.
    #[must_use]
    pub fn for_operators(right: &'static str, result: Result<(), StoreError>) -> Self {
        Self { right, needs: Needs::Operator, result }
    }
}

/// Tries what a function and an operator do, one right after the other. No record of the fleet is read or
/// changed.
#[async_trait]
pub trait Diagnosed: fmt::Debug + Send + Sync + 'static {
    /// Tries each right. Stops after an error that every further try would get, such as a missing
    /// connection.
    async fn trials(&self) -> Vec<Trial>;

    /// Returns the time by the clock of the server, or `None` if the server does not return it.
    async fn server_time(&self) -> Option<Timestamp>;

    /// Creates what the store needs before its first use, such as a table, unless it exists. `false` if this
    /// store needs nothing.
    ///
    /// # Errors
    ///
    /// The error of the store.
    async fn create(&self) -> Result<bool, StoreError>;
}
