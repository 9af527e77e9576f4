//! What the operator's command asks of a store to find out what is wrong with it.

use std::fmt;

use async_trait::async_trait;

use crate::{StoreError, Timestamp};

/// The name of the record on which the rights are tried, of a kind of its own: `doctor:rights`.
pub const TRIED_RECORD: &str = "doctor:rights";

/// Who needs a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Each function: without it nothing works.
    Function,
    /// Whoever uses the operator's command, or nobody in particular.
    Operator,
}

/// One right that was tried.
#[derive(Debug)]
pub struct Trial {
    /// The right, as the store names it: `+hmget`, `dynamodb:GetItem`.
    pub right: &'static str,
    /// Who needs it.
    pub needs: Needs,
    /// What came of it.
    pub result: Result<(), StoreError>,
}

impl Trial {
    /// A right that every function needs.
    #[must_use]
    pub fn for_functions(right: &'static str, result: Result<(), StoreError>) -> Self {
        Self { right, needs: Needs::Function, result }
    }

    /// A right that only an operator needs.
    #[must_use]
    pub fn for_operators(right: &'static str, result: Result<(), StoreError>) -> Self {
        Self { right, needs: Needs::Operator, result }
    }
}

/// Tries what a function and an operator do, one right after the other, without touching a record of the fleet.
#[async_trait]
pub trait Diagnosed: fmt::Debug + Send + Sync + 'static {
    /// Tries each right. Stops where nothing after that could work, such as without a connection.
    async fn trials(&self) -> Vec<Trial>;

    /// The clock of the server, if it tells.
    async fn server_time(&self) -> Option<Timestamp>;

    /// Creates what a deployment creates, unless it exists; false if there is nothing to create.
    ///
    /// # Errors
    ///
    /// The error of the store.
    async fn create(&self) -> Result<bool, StoreError>;
}
