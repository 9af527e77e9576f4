use std::fmt;

/// The configuration of the token is invalid. Reports all faults at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenConfigError {
    /// What is wrong, a sentence each. It names the environment variable, field or method that is
    /// at fault. There is at least one.
    pub faults: Vec<String>,
}

impl TokenConfigError {
    pub(super) fn one(fault: String) -> Self {
        Self { faults: vec![fault] }
    }
}

impl fmt::Display for TokenConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid token configuration: {}", self.faults.join("; "))
    }
}

impl std::error::Error for TokenConfigError {}
