//! [All pages]: https://docs.rs/funcify
//!
#![doc = include_str!("../README.md")]

mod cache_token;
mod config;
mod connect;
mod credentials;
mod error;
mod http;

pub use aws_config::SdkConfig;
pub use cache_token::{CacheService, CacheSigner};
pub use config::{AwsConfigError, UrlOptions, check_region, parse_url, refuse_part, shorten};
pub use connect::{Connection, bounded, timeouts};
pub use error::{AwsError, Request};
pub use http::{CaBundleError, ca_bundle, sdk_config};
