//! Names of records: legal in every store because they are checked here.

use std::sync::Arc;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 64 of the characters A-Z a-z 0-9 _ . - as the {what}, got {got:?}")]
pub struct NameError {
    what: &'static str,
    got: String,
}

fn parse(what: &'static str, name: &str) -> Result<Arc<str>, NameError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(legal) {
        Ok(name.into())
    } else {
        // Enough of it to be found again, not a megabyte of it.
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

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
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
    /// The name of a circuit: one per protected dependency, the same in every function of the fleet.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_core::circuit::CircuitName;
    ///
    /// assert_eq!(CircuitName::new("auth0")?.as_str(), "auth0");
    /// assert!(CircuitName::new("not a name").is_err());
    /// # Ok::<(), funcify_core::name::NameError>(())
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
    /// assert_eq!(TokenKey::default().as_str(), "BEARER_TOKEN");
    /// ```
    TokenKey, "key of a token"
}

impl Default for TokenKey {
    /// `BEARER_TOKEN`.
    fn default() -> Self {
        Self("BEARER_TOKEN".into())
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
