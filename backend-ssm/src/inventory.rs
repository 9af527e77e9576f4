//! Lists the records of a kind with `GetParametersByPath`.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use funcify_backend_aws::{Request, bounded};
use funcify_core::{
    StoreError,
    register::{Inventory, RecordKind, RecordName},
};

use crate::{SsmBackend, error::failed};

/// The time limit of one page, 10 s. An operator can wait, unlike a function.
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

#[async_trait]
impl Inventory for SsmBackend {
    /// Reads ten names in a request, and decrypts nothing.
    async fn list(&self, kind: RecordKind) -> Result<Vec<RecordName>, StoreError> {
        let path = format!("{}/{kind}", self.path());
        let mut names = BTreeSet::new();
        let mut next = None;
        loop {
            let send = self
                .client()
                .get_parameters_by_path()
                .path(&path)
                .recursive(false)
                .with_decryption(false)
                .set_next_token(next)
                .send();
            let page = bounded(PAGE_TIMEOUT, send).await;
            let page = page.map_err(|error| failed(Request::Read, error, self.path()))?;
            let found = page.parameters.iter().flatten().filter_map(|parameter| parameter.name());
            let own = found.filter_map(|name| name.strip_prefix(&path)?.strip_prefix('/'));
            names.extend(own.filter_map(|name| name.parse::<RecordName>().ok()));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(names.into_iter().collect());
            }
        }
    }
}
