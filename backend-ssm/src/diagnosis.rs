//! Tries each action that a function or an operator needs.

use async_trait::async_trait;
use funcify_core::{
    StoreError, StoreErrorKind, Timestamp,
    engine::{Diagnosed, TRIED_RECORD, Trial},
    register::{Inventory, RecordKind},
};

use crate::SsmBackend;

#[async_trait]
impl Diagnosed for SsmBackend {
    /// Writes the parameter `doctor/rights`. It stays, because a function has no right to delete it.
    async fn trials(&self) -> Vec<Trial> {
        let name = format!("{}/{}", self.path(), TRIED_RECORD.replace(':', "/"));
        let written = self.put(&name, "doctor", true).await.map(|_| ());
        let is_hopeless =
            written.as_ref().is_err_and(|error| error.kind() != StoreErrorKind::Denied);
        let mut trials = vec![Trial::for_functions("ssm:PutParameter", written)];
        if is_hopeless {
            return trials;
        }
        let read = self.get(name).await.map(|_| ());
        trials.push(Trial::for_functions("ssm:GetParameter", read));
        let listed = self.list(RecordKind::new("doctor")).await.map(|_| ());
        trials.push(Trial::for_operators("ssm:GetParametersByPath", listed));
        trials
    }

    async fn server_time(&self) -> Option<Timestamp> {
        None
    }

    async fn create(&self) -> Result<bool, StoreError> {
        Ok(false)
    }
}
