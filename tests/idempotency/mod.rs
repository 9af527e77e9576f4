//! Each key has one effect, on real stores.

mod cuts;
mod processes;
mod storm;

use std::sync::Arc;

use funcify::Stores;
use funcify::idempotency::{Idempotency, IdempotencyPolicy, IdempotencyProvider};

use crate::support::env;

/// A new client.
fn over(store: Arc<dyn IdempotencyProvider>, policy: &IdempotencyPolicy) -> Idempotency {
    Idempotency::new("test", store).unwrap().policy(policy.clone()).unwrap()
}

fn with(url: &str, options: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{options}")
}

#[tokio::test]
async fn ssm_is_refused_with_the_reason() {
    let store = Stores::from_url(&env::ssm()).await.unwrap().idempotency;
    let refused = Idempotency::new("test", store).unwrap_err().to_string();
    assert!(refused.contains("SSM Parameter Store keeps few parameters"), "{refused}");
}
