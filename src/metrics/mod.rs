//! Metrics as lines of the log: CloudWatch's embedded metric format, without a client.

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

/// The variable: `emf:NAMESPACE`.
pub(crate) const METRICS: &str = "FUNCIFY_METRICS";

/// The recorder of this process, once it is installed. The facade's recorder is one a process too, and does
/// not give back what was installed.
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

/// Installs the recorder for `emf:NAMESPACE`. The first one counts: of the variable and the code, the variable
/// is read earlier.
pub(crate) fn install(setting: &str) -> Result<(), ConfigError> {
    let namespace = namespace(setting)?;
    if INSTALLED.get().is_some() {
        return Ok(());
    }
    let emf = Emf::new(namespace);
    metrics::set_global_recorder(emf.clone()).map_err(|_| {
        ConfigError::invalid("this process has a recorder of metrics already: use one of the two")
    })?;
    // Nobody else installs one: the facade has refused it.
    let _ = INSTALLED.set(emf);
    Ok(())
}

/// The namespace in `emf:NAMESPACE`, as CloudWatch allows it.
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

/// Writes what changed since the last time to the log, at the end of an invocation.
pub(crate) fn write(request_id: &str) {
    let Some(emf) = INSTALLED.get() else { return };
    let lines = emf.take(Timestamp::from(SystemTime::now()), request_id);
    if !lines.is_empty() {
        // A log that cannot be written must not fail the function.
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
