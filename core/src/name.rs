//! Names of records. A name that passes the check here is legal in every store.

use std::sync::Arc;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 64 of the characters A-Z a-z 0-9 _ . - as the {what}, got {got:?}")]
pub struct NameError {
    what: &'static str,
    got: String,
}

/// Whether `name` is 1 to 64 of the characters that every store accepts in a key.
pub(crate) const fn is_legal(name: &str) -> bool {
    let mut rest = name.as_bytes();
    if rest.is_empty() || rest.len() > 64 {
        return false;
    }
    while let [byte, others @ ..] = rest {
        if !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'.' | b'-') {
            return false;
        }
        rest = others;
    }
    true
}

fn parse(what: &'static str, name: &str) -> Result<Arc<str>, NameError> {
    if is_legal(name) {
        Ok(name.into())
    } else {
        // Enough of the text to recognise it, and not a megabyte of it.
        Err(NameError { what, got: name.chars().take(80).collect() })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `name`.
            ///
            /// # Errors
            ///
            /// [`NameError`] unless it is 1 to 64 of `A-Z a-z 0-9 _ . -`.
            pub fn new(name: impl AsRef<str>) -> Result<Self, NameError> {
                parse($what, name.as_ref()).map(Self)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name! {
    /// The name of a record within its kind.
    ///
    /// [`CircuitName`](crate::circuit::CircuitName) and [`TokenKey`](crate::token::TokenKey) convert
    /// into it.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::register::RecordName;
    ///
    /// assert_eq!(RecordName::new("orders-7")?.as_ref(), "orders-7");
    /// assert!(RecordName::new("orders/7").is_err());
    /// # Ok::<(), funcify_core::register::NameError>(())
    /// ```
    RecordName, "name of a record"
}

name! {
    /// The name of a circuit: one per protected dependency, the same in every function of the fleet.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::circuit::CircuitName;
    ///
    /// assert_eq!(CircuitName::new("auth0")?.as_ref(), "auth0");
    /// assert!(CircuitName::new("not a name").is_err());
    /// # Ok::<(), funcify_core::register::NameError>(())
    /// ```
    CircuitName, "name of a circuit"
}

name! {
    /// The key under which a token is shared.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::token::TokenKey;
    ///
    /// assert_eq!(TokenKey::default().as_ref(), "BEARER_TOKEN");
    /// ```
    TokenKey, "key of a token"
}

impl Default for TokenKey {
    /// `BEARER_TOKEN`.
    fn default() -> Self {
        Self("BEARER_TOKEN".into())
    }
}

impl From<&CircuitName> for RecordName {
    fn from(name: &CircuitName) -> Self {
        Self(Arc::clone(&name.0))
    }
}

impl From<&TokenKey> for RecordName {
    fn from(key: &TokenKey) -> Self {
        Self(Arc::clone(&key.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_legal_in_every_store_or_refused() {
        for legal in ["a", "auth0", "A-Z_a.z-0", &"x".repeat(64)] {
            assert!(CircuitName::new(legal).is_ok(), "{legal}");
        }
        for illegal in ["", " ", "a b", "a/b", "a:b", "ä", "a\0", "{a}", &"x".repeat(65)] {
            assert!(CircuitName::new(illegal).is_err(), "{illegal}");
            assert!(TokenKey::new(illegal).is_err(), "{illegal}");
            assert!(RecordName::new(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn the_refusal_names_what_was_expected_and_what_came() {
        let refusal = CircuitName::new("a b").unwrap_err().to_string();
        assert_eq!(
            refusal,
            "expected 1 to 64 of the characters A-Z a-z 0-9 _ . - as the name of a circuit, got \"a b\""
        );
    }
}
