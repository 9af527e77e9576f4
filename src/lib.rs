//! One pipeline for every Lambda event, one token and one circuit for the whole fleet.
//!
//! A fleet is every instance of your functions that uses the same store and prefix. An instance lives
//! for minutes and knows nothing of the others. So when a token expires, all of them fetch a new one,
//! and when a service is down, each finds out by itself. funcify keeps both facts in a store that all
//! instances share, and routes every event to a handler.
//!
//! | you want to | you need |
//! |---|---|
//! | handle events: HTTP requests, queues, buckets, streams | [`Pipeline`] and [`run()`]; [`local`] and [`testing`] on your machine |
//! | know who is calling, and what they may do | [`Authenticator`] and [`AccessPolicy`] |
//! | call another service with the token, through the circuit | [`Api`] |
//! | get the fleet's token | [`TokenGetter`] |
//! | protect anything else with a circuit breaker | [`CircuitBreaker`] |
//! | choose where token and circuit are stored | [`Stores`], by URL |
//!
//! # A pipeline
//!
//! axum routes HTTP events. Records are routed by the name of the queue, bucket or stream that they
//! come from. [`testing`] makes events of every source, and [`local`] runs the event in a file.
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
//! The documentation of [`pipeline`] explains each step. If you know pyfuncify, read `docs/migration.md`
//! in the repository.
//!
//! # A circuit
//!
//! All instances share the state of a circuit. Failures on any instance open it for the whole fleet, and
//! one instance probes whether the service has recovered.
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
//! The documentation of [`circuit`] has the rules, how to choose their numbers, and what they cost.
//!
//! # A token
//!
//! [`TokenGetter`] gets it with the OAuth 2.0 client-credentials grant, once for the fleet. [`Api`] sends
//! it with the calls to one service, and [`api::TokenLayer`] with those of your own client. The
//! documentation of [`token`] says what happens when something fails.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `lambda` | yes | the pipeline, [`auth`], [`local`], [`testing`] and [`run()`] |
//! | `memory` | yes | a store in this process, which no other process shares |
//! | `redis`, `dynamodb`, `ssm` | no | a shared store each |
//! | `secrets` | no | a client secret in Secrets Manager or Parameter Store, read with the AWS SDK |
//!
//! Without `lambda`, funcify is the shared token and the shared circuit for any tokio service. A URL
//! whose feature is off is a [`ConfigError`] that names the feature.

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

/// The examples of the README are compiled with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The same for those of the migration page.
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
