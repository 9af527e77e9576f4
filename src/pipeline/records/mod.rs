//! Everything that is not HTTP: the records of each source, and how they reach their handlers.

mod batch;
pub(super) mod dispatch;
pub(super) mod dynamodb;
pub(super) mod eventbridge;
pub(super) mod handler;
pub(super) mod kinesis;
pub(super) mod message;
mod parsed;
mod payload;
mod record;
mod report;
mod restriction;
pub(super) mod route;
pub(super) mod routes;
pub(super) mod s3;
pub(super) mod sns;
pub(super) mod sqs;
pub(super) mod unmatched;
pub(super) mod via;
