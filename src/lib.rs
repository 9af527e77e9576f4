//! One pipeline for every Lambda event, one token and one circuit for the whole fleet.
//!
//! A function is one process of hundreds that live for minutes. What each of them does well alone,
//! the fleet does badly together: all fetch a token when it expires, and each finds out for itself
//! that a service is down. funcify keeps both facts where all instances see them, in a backend of
//! your choice, and brings every event to a handler by the same short way.
//!
//! | you want to | you need |
//! |---|---|
//! | handle events, from HTTP requests to queues and buckets | [`Pipeline`] and [`run()`]; [`local`] and [`testing`] at your desk |
//! | know who is calling, and what they may do | [`Authenticator`] and [`AccessPolicy`] |
//! | call another service with the token, in the circuit | [`Api`] |
//! | hold the fleet's token | [`TokenGetter`] |
//! | protect anything else by a circuit | [`CircuitBreaker`] |
//! | choose where the two are kept | [`Stores`], by URL |
//!
//! # A pipeline
//!
//! HTTP events are routed by axum, records by the name of the queue, bucket or stream that they
//! come from. [`testing`] makes events of every source, [`local`] runs those of a file.
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
//! The chapter on [the pipeline](chapters::pipeline) goes through it step by step; who comes from
//! pyfuncify finds everything in [its migration page](chapters::migration).
//!
//! # A circuit
//!
//! Its state is the fleet's: whichever instances the failures hit, all of them refuse, and one of
//! them tries whether the service is back.
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
//! The chapter on [the circuit](chapters::circuit) has the rules, how to choose their numbers, and
//! what they cost.
//!
//! # A token
//!
//! [`TokenGetter`] fetches it by the client-credentials grant, once for the fleet; [`Api`] attaches
//! it to the calls of one service, and [`api::TokenLayer`] to those of a client of yours. The chapter
//! on [the token](chapters::token) says what happens when something fails.
//!
//! # Features
//!
//! One a backend: `memory` (default), `redis`, `dynamodb`, `ssm`. A URL whose feature is off is a
//! [`ConfigError`] that says which one to switch on.

pub mod api;
#[cfg(feature = "lambda")]
pub mod auth;
mod client;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "lambda")]
mod json;
#[cfg(feature = "lambda")]
pub mod local;
#[cfg(feature = "lambda")]
pub mod pipeline;
#[cfg(feature = "lambda")]
mod problem;
mod stores;
#[cfg(feature = "lambda")]
pub mod testing;
pub mod token;
mod trace;

pub use api::Api;
#[cfg(feature = "lambda")]
pub use auth::{AccessPolicy, Authenticator};
pub use client::{ClientError, http_client};
pub use funcify_core::{
    Deadline, DeadlineExceeded, PendingReport, StoreError, StoreErrorKind, Timestamp,
    circuit::{self, CircuitBreaker, CircuitPolicy},
    engine::error_chain,
    register,
};
#[cfg(feature = "lambda")]
pub use pipeline::{
    Invocation, Message, Pipeline, S3Object,
    run::{run, run_streaming},
};
#[cfg(feature = "lambda")]
pub use problem::Problem;
pub use stores::{ConfigError, SealedTokens, Stores};
pub use token::{ClientCredentials, TokenGetter};
pub use trace::TraceContext;

/// The README's examples are compiled with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
