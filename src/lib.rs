//! One pipeline for every AWS Lambda event, one access token and one circuit breaker for the whole fleet.
//!
//! Lambda runs a function in many instances at the same time. An instance lives for minutes and does not see
//! the others. So when a token expires, every instance fetches a new one. When a service is down, every
//! instance finds out by itself, with failing calls. funcify keeps the token and the state of the circuit
//! breaker in a store that all instances share: Redis, DynamoDB or Parameter Store. It also routes every
//! event of a function to a handler.
//!
//! A *fleet* is all instances of your functions that use the same store with the same prefix.
//!
//! | you want to | you need |
//! |---|---|
//! | handle events: HTTP requests, queues, buckets, streams | [`Pipeline`] and [`run()`] |
//! | run the function on your machine and in tests | [`local`] and [`testing`] |
//! | know who is calling, and what they may do | [`Authenticator`] and [`AccessPolicy`] |
//! | call another service with the token, through the circuit | [`Api`] |
//! | get the fleet's token | [`TokenGetter`] |
//! | protect any other call with a circuit breaker | [`CircuitBreaker`] |
//! | do work once, although a request or record is repeated | [`Idempotency`] and [`IdempotencyLayer`] |
//! | choose where all of this is stored | [`Stores`], by URL |
//!
//! # A pipeline
//!
//! An axum router handles HTTP events. Records are routed by the name of the queue, bucket or stream that
//! they come from. [`testing`] makes events of every source, and [`local`] runs an event from a file.
//!
//! ```
//! use axum::{Router, routing::get};
//! use funcify::{Pipeline, Problem, S3Object, testing::TestEvent};
//!
//! async fn on_upload(upload: S3Object) -> Result<(), Problem> {
//!     if upload.key.ends_with(".pdf") { Ok(()) } else { Err(Problem::bad_request("no invoice")) }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let pipeline = Pipeline::builder(())
//!     .http(Router::new().route("/health", get(async || "ok")))
//!     .s3("uploads", on_upload)
//!     .build()?;
//!
//! let output = TestEvent::get("/health").send(&pipeline).await?;
//! assert_eq!(output.http().unwrap().body(), "ok");
//! assert!(TestEvent::s3("uploads", "7.pdf").send(&pipeline).await.is_ok());
//! // The invocation fails, and Lambda retries it.
//! assert!(TestEvent::s3("uploads", "7.exe").send(&pipeline).await.is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! The documentation of [`pipeline`] explains every step and every source. If you come from pyfuncify, read
//! `docs/migration.md` in the repository.
//!
//! # A circuit
//!
//! All instances share the state of a circuit. Failures on any instance open the circuit for the whole fleet.
//! Later, one instance probes whether the service has recovered.
//!
//! ```
//! use funcify::{CircuitBreaker, CircuitPolicy, Stores, circuit::CircuitError};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let stores = Stores::from_url("memory:").await?; // in production: Stores::from_env()
//! let circuit = || {
//!     CircuitBreaker::new("warehouse", CircuitPolicy::for_token_endpoint(), stores.circuits.clone())
//! };
//! let (one, another) = (circuit()?, circuit()?);
//! for _ in 0..3 {
//!     let _ = one.call(async || Err::<(), _>("connection refused")).await;
//! }
//! let refused = another.call(async || Ok::<_, &str>("not even sent")).await;
//! assert!(matches!(refused, Err(CircuitError::Open(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! The documentation of [`circuit`] has the rules, explains how to choose their numbers, and says what a
//! circuit costs.
//!
//! # A token
//!
//! [`TokenGetter`] gets an access token with the OAuth 2.0 client credentials grant (RFC 6749, section 4.4),
//! once for the whole fleet. [`Api`] sends the token with every call to one service. [`api::TokenLayer`] adds
//! the token to the requests of your own HTTP client. The documentation of [`token`] says what happens when
//! the identity provider or the store fails.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `lambda` | yes | the pipeline, [`auth`], [`local`], [`testing`] and [`run()`] |
//! | `memory` | yes | a store in this process, which no other process shares |
//! | `redis`, `dynamodb`, `ssm` | no | one shared store each: Redis, DynamoDB, SSM Parameter Store |
//! | `redis-iam` | no | `redis`, with passwords for ElastiCache and MemoryDB from IAM |
//! | `secrets` | no | a client secret in Secrets Manager or Parameter Store, read with the AWS SDK |
//!
//! Without `lambda`, funcify is the shared token, the shared circuit and idempotency for any tokio service.
//! If a URL needs a feature that is off, opening the store fails with a [`ConfigError`] that names the
//! feature.

pub mod api;
#[cfg(feature = "lambda")]
pub mod auth;
mod client;
mod config_error;
pub mod idempotency;
#[cfg(feature = "lambda")]
mod idempotency_layer;
#[cfg(feature = "lambda")]
mod json;
mod json_error;
#[cfg(feature = "lambda")]
pub mod local;
#[cfg(feature = "lambda")]
mod metrics;
#[cfg(feature = "lambda")]
pub mod pipeline;
#[cfg(feature = "lambda")]
mod problem;
mod shown_url;
mod stores;
#[cfg(feature = "lambda")]
pub mod testing;
pub mod token;
mod trace;
mod variables;

pub use api::Api;
#[cfg(feature = "lambda")]
pub use auth::{AccessPolicy, Authenticator};
pub use config_error::ConfigError;
/// A circuit breaker whose state the whole fleet shares.
///
/// [All pages]: https://docs.rs/funcify
///
#[doc = include_str!("../docs/circuit.md")]
#[doc(inline)]
pub use funcify_core::circuit;
pub use funcify_core::{
    Deadline, StoreError, StoreErrorKind, Timestamp,
    circuit::{CircuitBreaker, CircuitPolicy},
    engine::error_chain,
    register,
};
pub use idempotency::Idempotency;
#[cfg(feature = "lambda")]
pub use idempotency_layer::IdempotencyLayer;
#[cfg(feature = "lambda")]
pub use pipeline::{
    Invocation, Message, Pipeline, S3Object,
    run::{run, run_streaming},
};
#[cfg(feature = "lambda")]
pub use problem::Problem;
pub use stores::Stores;
#[doc(hidden)]
pub use stores::operated::{Operated, OperatedStore};
pub use token::{ClientCredentials, TokenGetter};
#[doc(hidden)]
pub use trace::TraceContext;

/// Compiles the examples of the README together with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles the examples of the migration page.
#[cfg(doctest)]
#[doc = include_str!("../docs/migration.md")]
struct Migration;

/// The same for those of the page about tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/testing.md")]
struct TestingPage;

/// The same for those of the page about local work.
#[cfg(doctest)]
#[doc = include_str!("../docs/local.md")]
struct LocalPage;
