//! Everything that is not HTTP: the records of each source, and how they reach their handlers.

pub(super) mod authorizer;
mod batch;
pub(super) mod dispatch;
pub(super) mod dynamodb;
pub(super) mod eventbridge;
pub(super) mod firehose;
pub(super) mod handler;
pub(super) mod kafka;
pub(super) mod kinesis;
pub(super) mod log_events;
pub(super) mod message;
mod parsed;
mod payload;
pub(super) mod record;
mod report;
mod restriction;
pub(super) mod route;
pub(super) mod routes;
pub(super) mod s3;
pub(super) mod sns;
pub(super) mod sqs;
mod text;
pub(super) mod unmatched;
pub(super) mod via;
pub(super) mod window;
