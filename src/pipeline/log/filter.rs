//! Filters log lines. Lines of dependencies that may show a token or another secret are left out.

use std::env;

use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{Layer, filter::Targets, layer::Context};

/// The target and the name of the span of an invocation. The span passes at every level, so that every line
/// has the request id.
pub(super) const INVOCATION: (&str, &str) = ("funcify", "invocation");

/// With this target the runtime logs, without the request id, that an invocation failed. The `end` line says
/// the same with all details.
const REPEATS: &str = "lambda_runtime::layers::panic";

/// A layer that passes lines by level and target, as configured.
#[derive(Debug)]
pub(crate) struct Configured(Targets);

impl Configured {
    /// `AWS_LAMBDA_LOG_LEVEL` is the level, by default INFO. `RUST_LOG` refines it by level and target.
    pub(crate) fn from_env() -> Self {
        let [level, refined] = ["AWS_LAMBDA_LOG_LEVEL", "RUST_LOG"].map(|name| env::var(name).ok());
        Self::of(level.as_deref(), refined.as_deref())
    }

    fn of(level: Option<&str>, refined: Option<&str>) -> Self {
        let level = match level.map(str::to_ascii_uppercase).as_deref() {
            Some("TRACE") => LevelFilter::TRACE,
            Some("DEBUG") => LevelFilter::DEBUG,
            Some("WARN") => LevelFilter::WARN,
            // Lambda also has the level FATAL, which `tracing` does not have.
            Some("ERROR" | "FATAL") => LevelFilter::ERROR,
            _ => LevelFilter::INFO,
        };
        let refined = refined.and_then(|filter| filter.parse::<Targets>().ok()).unwrap_or_default();
        Self(match refined.default_level() {
            Some(_) => refined,
            None => refined.with_default(level),
        })
    }

    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        let is_invocation =
            metadata.is_span() && (metadata.target(), metadata.name()) == INVOCATION;
        let is_wanted = self.0.would_enable(metadata.target(), metadata.level());
        is_invocation || (is_wanted && metadata.target() != REPEATS)
    }
}

impl<S: Subscriber> Layer<S> for Configured {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.passes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.passes(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // The span of an invocation has the level ERROR.
        Some(Layer::<S>::max_level_hint(&self.0)?.max(LevelFilter::ERROR))
    }
}

/// The variable that lets these lines through, for debugging with secrets that are worthless.
const UNSAFE_LOGS: &str = "FUNCIFY_UNSAFE_LOGS";

/// The crates that handle the bytes of requests and responses. At DEBUG and TRACE some of them log these
/// bytes: the AWS SDK logs whole bodies, lambda_runtime whole events, hyper and h2 headers, axum the input
/// that it refused.
const SEE_BYTES: [&str; 16] = [
    "axum",
    "axum_core",
    "h2",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "lambda_http",
    "lambda_runtime",
    "lambda_runtime_api_client",
    "redis",
    "reqwest",
    "rustls",
    "tokio_rustls",
    "tokio_util",
    "tower",
    "tower_http",
];

/// How the names of the crates of the AWS SDK begin.
const AWS: &str = "aws_";

/// A layer that drops lines and spans of these crates below INFO, whatever other layers let through.
#[derive(Debug)]
pub(crate) struct WithoutSecrets {
    is_off: bool,
}

impl WithoutSecrets {
    /// A layer that lets everything through if `FUNCIFY_UNSAFE_LOGS` is `1`.
    pub(crate) fn from_env() -> Self {
        Self { is_off: env::var_os(UNSAFE_LOGS).is_some_and(|value| value == "1") }
    }

    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        let name = target.split_once("::").map_or(target, |(name, _)| name);
        let sees_bytes = name.starts_with(AWS) || SEE_BYTES.contains(&name);
        self.is_off || *metadata.level() <= Level::INFO || !sees_bytes
    }
}

impl<S: Subscriber> Layer<S> for WithoutSecrets {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.passes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.passes(metadata)
    }
}

#[cfg(test)]
mod tests {
    use funcify_test_support::LogCapture;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn logged(filter: WithoutSecrets) -> String {
        let log = LogCapture::new();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(log.writer());
        let subscriber = tracing_subscriber::registry().with(filter).with(lines);
        tracing::subscriber::with_default(subscriber, || {
            macro_rules! line {
                ($($target:literal)*) => {
                    $(
                        tracing::trace!(target: $target, "trace of {}", $target);
                        tracing::debug!(target: $target, "debug of {}", $target);
                        tracing::info!(target: $target, "info of {}", $target);
                        tracing::warn!(target: $target, "warn of {}", $target);
                    )*
                };
            }
            line!("aws_smithy_runtime::client::orchestrator" "aws_sdk_ssm" "hyper::proto::h1"
                "hyper_util::client" "h2::codec" "reqwest::connect" "rustls::client" "redis"
                "lambda_runtime" "axum::rejection" "funcify" "funcify_core::register" "orders"
                "hyperspace" "redis_cache::client" "aws");
            let span = tracing::debug_span!(target: "aws_smithy_runtime", "of", body = "canary");
            span.in_scope(|| tracing::info!(target: "orders", "in a span"));
        });
        log.text()
    }

    #[test]
    fn dependencies_that_see_bytes_log_from_info_on_and_everything_else_as_configured() {
        let text = logged(WithoutSecrets { is_off: false });
        for quiet in [
            "aws_smithy_runtime::client::orchestrator",
            "aws_sdk_ssm",
            "hyper::proto::h1",
            "hyper_util::client",
            "h2::codec",
            "reqwest::connect",
            "rustls::client",
            "redis",
            "lambda_runtime",
            "axum::rejection",
        ] {
            for level in ["trace", "debug"] {
                assert!(!text.contains(&format!("{level} of {quiet}\n")), "{text}");
            }
            for level in ["info", "warn"] {
                assert!(text.contains(&format!("{level} of {quiet}\n")), "{text}");
            }
        }
        for other in [
            "funcify",
            "funcify_core::register",
            "orders",
            "hyperspace",
            "redis_cache::client",
            "aws",
        ] {
            assert!(text.contains(&format!("trace of {other}\n")), "{text}");
        }
        assert!(text.contains("in a span") && !text.contains("canary"), "{text}");
    }

    #[test]
    fn without_the_filter_everything_is_logged_and_that_is_noticed() {
        let text = logged(WithoutSecrets { is_off: true });
        assert!(text.contains("trace of aws_sdk_ssm\n") && text.contains("canary"), "{text}");
    }

    fn configured(level: Option<&str>, refined: Option<&str>) -> String {
        let log = LogCapture::new();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(log.writer());
        let subscriber =
            tracing_subscriber::registry().with(Configured::of(level, refined)).with(lines);
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::error_span!(target: "funcify", "invocation", request_id = "r-1");
            span.in_scope(|| {
                for target in 0..2 {
                    macro_rules! lines {
                        ($target:literal) => {
                            tracing::debug!(target: $target, "debug of {}", $target);
                            tracing::info!(target: $target, "info of {}", $target);
                            tracing::warn!(target: $target, "warn of {}", $target);
                            tracing::error!(target: $target, "error of {}", $target);
                        };
                    }
                    if target == 0 {
                        lines!("shop");
                    } else {
                        lines!("funcify");
                    }
                }
                tracing::error!(target: "lambda_runtime::layers::panic", "failed");
            });
        });
        log.text()
    }

    #[test]
    fn the_level_of_lambda_applies_and_rust_log_refines_it() {
        for (level, refined, expected) in [
            (None, None, "IWE IWE"),
            (Some("WARN"), None, "WE WE"),
            (Some("fatal"), None, "E E"),
            (Some("DEBUG"), None, "DIWE DIWE"),
            (Some("ERROR"), Some("shop=debug"), "DIWE E"),
            (Some("ERROR"), Some("info"), "IWE IWE"),
            (None, Some("funcify=off"), "IWE "),
            (None, Some("off,shop=warn"), "WE "),
            (Some("nonsense"), Some("=nonsense="), "IWE IWE"),
        ] {
            let text = configured(level, refined);
            let of = |target: &str| -> String {
                ["debug", "info", "warn", "error"]
                    .iter()
                    .filter(|level| text.contains(&format!("{level} of {target}\n")))
                    .map(|level| level[..1].to_uppercase())
                    .collect()
            };
            assert_eq!(
                format!("{} {}", of("shop"), of("funcify")),
                expected,
                "{level:?} {refined:?}"
            );
            assert!(text.lines().all(|line| line.contains("r-1")), "{text}");
            assert!(!text.contains("failed"), "{text}");
        }
    }
}
