//! The DynamoDB backend of [funcify](https://docs.rs/funcify): the fleet's token and circuits as
//! items of one table.
//!
//! [`DynamoDbBackend`] is a [`Register`](funcify_core::register::Register), and so both a
//! `TokenPersistenceProvider` and a `CircuitStateProvider`. Linearizable: a write is one conditional
//! `PutItem`, a read of a token is strongly consistent. Only the read of a circuit is eventually
//! consistent, at half the price; a swap on what it showed is still judged on what is there.
//!
//! # Wire form
//!
//! One item a record, written whole. Each member of the record is an attribute of its own, so that
//! the console shows `state`, `failures`, `open_until`.
//!
//! | attribute | type | content |
//! |---|---|---|
//! | `pk` | S | `{prefix}:circuit:{name}` or `{prefix}:token:{key}` |
//! | `write_id` | S | 32 hexadecimal digits, drawn anew for every write; absent: not ours, vacant |
//! | `ttl` | N | Unix seconds after which DynamoDB may delete the item; decides nothing |
//! | any other | NULL, BOOL, N, S, L, M | a member of the record, as the JSON type suggests |
//!
//! Numbers are decimal text. One that DynamoDB's numbers would change (`1.0`, `1e300`) is a string
//! set (SS) of its one text: JSON has no sets, so nothing else can be meant.

mod config;
mod connect;
mod error;
mod register;
mod table;
mod wire;

pub use config::DynamoDbConfig;
pub use error::{DynamoDbConfigError, DynamoDbError};
pub use register::DynamoDbBackend;
