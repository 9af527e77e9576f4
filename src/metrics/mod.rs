//! Writes metrics to the log in CloudWatch's embedded metric format, which needs no client.

mod emf;
mod line;
mod series;

use std::{
    io::{self, Write},
    sync::OnceLock,
    time::SystemTime,
};

use funcify_core::Timestamp;

pub(crate) use emf::Emf;

use crate::config_error::ConfigError;

/// The variable. Its value is `emf:NAMESPACE`.
pub(crate) const METRICS: &str = "FUNCIFY_METRICS";

/// The recorder of this process, once it is installed. The facade `metrics` keeps it too, but does not return
/// it.
static INSTALLED: OnceLock<Emf> = OnceLock::new();

/// Installs the recorder that `FUNCIFY_METRICS` names, if it is set.
pub(crate) fn install_from_env() -> Result<(), ConfigError> {
    let Ok(setting) = std::env::var(METRICS) else { return Ok(()) };
    if setting.trim().is_empty() {
        return Ok(());
    }
    let in_variable = |error| ConfigError::because(format!("{METRICS} cannot be used"), error);
    install(&setting).map_err(in_variable)
}

/// Installs the recorder for `emf:NAMESPACE`, unless one is installed already. The variable therefore takes
/// precedence over a setting in code, because it is read first.
pub(crate) fn install(setting: &str) -> Result<(), ConfigError> {
    let namespace = namespace(setting)?;
    if INSTALLED.get().is_some() {
        return Ok(());
    }
    let emf = Emf::new(namespace);
    metrics::set_global_recorder(emf.clone()).map_err(|_| {
        ConfigError::invalid("this process has a recorder of metrics already: use one of the two")
    })?;
    // This cannot fail: the facade accepts one recorder only.
    let _ = INSTALLED.set(emf);
    Ok(())
}

/// The namespace in `emf:NAMESPACE`, if CloudWatch accepts it.
pub(crate) fn namespace(setting: &str) -> Result<&str, ConfigError> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/#: ".contains(&byte);
    let given = setting.trim().strip_prefix("emf:").filter(|namespace| {
        (1..=255).contains(&namespace.len())
            && namespace.bytes().all(is_legal)
            && !namespace.starts_with("AWS/")
            && !namespace.trim().is_empty()
    });
    given.ok_or_else(|| {
        ConfigError::invalid(format!(
            "expected emf: and a namespace of 1 to 255 of the characters A-Z a-z 0-9 . _ - / # : and space, \
             which does not begin with AWS/, got {:?}",
            setting.chars().take(80).collect::<String>()
        ))
    })
}

/// Whether metrics are written to the log.
pub(crate) fn is_written() -> bool {
    INSTALLED.get().is_some()
}

/// Writes the metrics that changed since the last invocation to the log. Called at the end of each
/// invocation.
#[inline(never)]
pub(crate) fn write(request_id: &str) {
    let Some(emf) = INSTALLED.get() else { return };
    let lines = emf.take(Timestamp::from(SystemTime::now()), request_id);
    if !lines.is_empty() {
        // A failure to write the log must not fail the function.
        let _ = io::stdout().lock().write_all(lines.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_one_that_cloudwatch_accepts() {
        assert_eq!(namespace("emf:orders").unwrap(), "orders");
        assert_eq!(namespace(" emf:shop/orders #1 ").unwrap(), "shop/orders #1");
        let long = format!("emf:{}", "x".repeat(256));
        for wrong in ["", "orders", "emf:", "emf: ", "emf:AWS/Lambda", "emf:zażółć", "EMF:a", &long]
        {
            let error = namespace(wrong).unwrap_err().to_string();
            assert!(error.contains("expected emf: and a namespace"), "{wrong}: {error}");
        }
    }
}
