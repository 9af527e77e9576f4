//! The invocation of an event on this machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Context, LambdaEvent};
use serde_json::value::RawValue;

/// How long an event may take: as long as API Gateway waits for a response. Source: "Quotas" in the API
/// Gateway developer guide, integration timeout.
const TIME: Duration = Duration::from_secs(29);

pub(super) fn of(event: Box<RawValue>) -> LambdaEvent<Box<RawValue>> {
    let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + TIME;
    let mut context = Context::default();
    context.request_id = "local".to_owned();
    context.invoked_function_arn = "arn:aws:lambda:local:000000000000:function:local".to_owned();
    context.deadline = u64::try_from(ends.as_millis()).unwrap_or(u64::MAX);
    LambdaEvent::new(event, context)
}
