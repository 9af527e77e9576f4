#![doc = include_str!("../README.md")]

mod config;
mod connect;
mod error;
mod http;

pub use aws_config::SdkConfig;
pub use config::{AwsConfigError, UrlOptions, check_region, parse_url, refuse_part, shorten};
pub use connect::{CONNECT_TIMEOUT, Connection, bounded, timeouts};
pub use error::{AwsError, Request};
pub use http::{CaBundleError, ca_bundle, sdk_config};
