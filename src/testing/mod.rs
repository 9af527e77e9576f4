//! Test events of every source, which you send through your pipeline without Lambda.
//!
//! # Examples
//!
//! ```
//! use axum::{Router, extract::Path, routing::get};
//! use funcify::{pipeline::Pipeline, testing::TestEvent};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let order = async |Path(id): Path<u32>| format!("order {id}");
//! let pipeline = Pipeline::builder(()).http(Router::new().route("/orders/{id}", get(order))).build()?;
//!
//! let output = TestEvent::get("/orders/7").send(&pipeline).await?;
//! let response = output.http().unwrap();
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.body(), "order 7");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod event;
mod http;
mod records;
mod services;

pub use event::TestEvent;
#[cfg(test)]
#[cfg(test)]
pub(crate) use event::deadline_in;
