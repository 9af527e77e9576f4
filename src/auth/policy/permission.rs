//! Activities, and the patterns by which they are granted.

use std::fmt;

/// What was expected of an [`Permission`] or an [`PermissionPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {got:?}")]
pub struct PermissionError {
    expected: &'static str,
    got: String,
}

impl PermissionError {
    fn new(expected: &'static str, got: &str) -> Self {
        // Enough of it to be found again, not a megabyte of it.
        Self { expected, got: got.chars().take(80).collect() }
    }
}

/// What a caller must be allowed to do: `service:resource:action`, each of them named.
///
/// # Examples
///
/// ```
/// use funcify::auth::Permission;
///
/// assert!(Permission::new("orders:order:read").is_ok());
/// assert!(Permission::new("orders:*:read").is_err(), "a requirement names one permission");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Permission(Box<str>);

impl Permission {
    /// Checks `permission`.
    ///
    /// # Errors
    ///
    /// [`PermissionError`] unless it is three segments of `A-Z a-z 0-9 _ . -`.
    pub fn new(permission: impl AsRef<str>) -> Result<Self, PermissionError> {
        let permission = permission.as_ref();
        if permission.split(':').count() == 3 && permission.split(':').all(is_name) {
            Ok(Self(permission.into()))
        } else {
            Err(PermissionError::new("service:resource:action", permission))
        }
    }

    /// The permission as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// What a caller was granted: permissions, with `*` for one whole segment and a last `**` for the
/// rest.
///
/// Every segment is compared, and nothing is compared in part: `orders:*:read` grants reading
/// anything of `orders` and nothing of `orders-archive`.
///
/// # Examples
///
/// ```
/// use funcify::auth::{Permission, PermissionPattern};
///
/// let granted = PermissionPattern::new("orders:**")?;
/// assert!(granted.grants(&Permission::new("orders:order:read")?));
/// assert!(!granted.grants(&Permission::new("stock:item:read")?));
/// # Ok::<(), funcify::auth::PermissionError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PermissionPattern(Box<str>);

impl PermissionPattern {
    /// Checks `pattern`.
    ///
    /// # Errors
    ///
    /// [`PermissionError`] unless it is three segments, each a name or `*`, or fewer that end in `**`.
    pub fn new(pattern: impl AsRef<str>) -> Result<Self, PermissionError> {
        let pattern = pattern.as_ref();
        let (leading, count) = match pattern.strip_suffix("**") {
            // What stands before the `**`: nothing, or segments that each end in a colon.
            Some("") => return Ok(Self(pattern.into())),
            Some(leading) => (leading.strip_suffix(':').unwrap_or("**"), 1..=2),
            None => (pattern, 3..=3),
        };
        let legal = leading.split(':').all(|segment| segment == "*" || is_name(segment));
        if legal && count.contains(&leading.split(':').count()) {
            Ok(Self(pattern.into()))
        } else {
            Err(PermissionError::new("service:resource:action with * or a last **", pattern))
        }
    }

    /// Whether a caller who was granted this may do `permission`.
    #[must_use]
    pub fn grants(&self, permission: &Permission) -> bool {
        let mut needed = permission.0.split(':');
        for granted in self.0.split(':') {
            match needed.next() {
                Some(_) if granted == "**" => return true,
                Some(needed) if granted == "*" || granted == needed => {}
                _ => return false,
            }
        }
        needed.next().is_none()
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PermissionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

fn is_name(segment: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=64).contains(&segment.len()) && segment.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

    fn grants(pattern: &str, permission: &str) -> bool {
        let permission = Permission::new(permission).unwrap();
        PermissionPattern::new(pattern).is_ok_and(|pattern| pattern.grants(&permission))
    }

    /// Everything that the ancestor granted and must not have, and what must be granted.
    const TABLE: &[(&str, &str, bool)] = &[
        ("orders:order:read", "orders:order:read", true),
        ("*:order:read", "orders:order:read", true),
        ("orders:*:read", "orders:order:read", true),
        ("orders:order:*", "orders:order:read", true),
        ("*:*:*", "orders:order:read", true),
        ("**", "orders:order:read", true),
        ("orders:**", "orders:order:read", true),
        ("orders:order:**", "orders:order:read", true),
        ("*:order:**", "orders:order:read", true),
        ("stock:order:read", "orders:order:read", false),
        ("orders:order:read", "stock:order:read", false),
        ("orders:item:read", "orders:order:read", false),
        ("orders:order:write", "orders:order:read", false),
        ("orders:order:rea", "orders:order:read", false),
        ("order:order:read", "orders:order:read", false),
        ("orders:order:read", "order:order:read", false),
        ("ORDERS:order:read", "orders:order:read", false),
        ("stock:**", "orders:order:read", false),
        ("orders:item:**", "orders:order:read", false),
        // No pattern at all, so they grant nothing.
        ("", "orders:order:read", false),
        ("*", "orders:order:read", false),
        ("*:*", "orders:order:read", false),
        ("orders", "orders:order:read", false),
        ("orders:order", "orders:order:read", false),
        ("orders:order:read:**", "orders:order:read", false),
        ("orders:order:read:now", "orders:order:read", false),
        ("ord*:order:read", "orders:order:read", false),
        ("orders:ord**", "orders:order:read", false),
        ("**:read", "orders:order:read", false),
        ("orders:**:read", "orders:order:read", false),
        ("orders::**", "orders:order:read", false),
        (":**", "orders:order:read", false),
        ("***", "orders:order:read", false),
        (" orders:order:read", "orders:order:read", false),
    ];

    #[test]
    fn every_segment_is_compared() {
        for (pattern, permission, expected) in TABLE {
            assert_eq!(grants(pattern, permission), *expected, "{pattern} grants {permission}");
        }
    }

    /// Negative mutants: each is caught by the same table.
    #[test]
    fn the_table_catches_a_comparison_that_leaves_something_out() {
        type Grants = fn(&str, &str) -> bool;
        let mutants: [(&str, Grants); 3] = [
            ("the service is not compared", |pattern, permission| {
                let rest = |text: &str| text.split_once(':').map(|(_, rest)| rest.to_owned());
                rest(pattern)
                    .zip(rest(permission))
                    .is_some_and(|(granted, needed)| granted == needed)
            }),
            ("a part is enough", |pattern, permission| permission.contains(pattern)),
            ("missing segments are wildcards", |pattern, permission| {
                pattern
                    .split(':')
                    .zip(permission.split(':'))
                    .all(|(g, n)| g.starts_with('*') || g == n)
            }),
        ];
        for (name, mutant) in mutants {
            let caught = TABLE.iter().any(|(pattern, permission, expected)| {
                mutant(pattern, permission) != *expected && !*expected
            });
            assert!(caught, "{name}");
        }
    }

    #[test]
    fn a_requirement_names_exactly_one_activity() {
        for wrong in ["", "a", "a:b", "a:b:c:d", "a:b:*", "a:**", "a::c", "a:b:c ", "a:b:ü"] {
            assert!(Permission::new(wrong).is_err(), "{wrong}");
        }
        let refusal = Permission::new("a:b").unwrap_err().to_string();
        assert_eq!(refusal, "expected service:resource:action, got \"a:b\"");
    }

    fn segments() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[a-c]{1,2}", 3)
    }

    proptest! {
        /// A grant with n literal segments opens only what shares all n of them, at their places.
        #[test]
        fn a_narrow_grant_never_opens_a_broader_context(
            granted in segments(), needed in segments(), wild in prop::collection::vec(prop::bool::ANY, 3),
        ) {
            let pattern: Vec<&str> = granted.iter().zip(&wild)
                .map(|(segment, wild)| if *wild { "*" } else { segment.as_str() }).collect();
            let agree = granted.iter().zip(&needed).zip(&wild).all(|((g, n), wild)| *wild || g == n);
            prop_assert_eq!(grants(&pattern.join(":"), &needed.join(":")), agree);
        }

        /// A longer pattern never grants what its shorter, broader form does not.
        #[test]
        fn the_rest_is_the_union_of_all_its_narrower_grants(granted in segments(), needed in segments()) {
            let broad = format!("{}:**", granted[0]);
            let narrow = format!("{}:{}:**", granted[0], granted[1]);
            let (needed_text, exact) = (needed.join(":"), granted.join(":"));
            prop_assert!(!grants(&narrow, &needed_text) || grants(&broad, &needed_text));
            prop_assert!(!grants(&exact, &needed_text) || grants(&narrow, &needed_text));
            prop_assert_eq!(grants(&broad, &needed_text), granted[0] == needed[0]);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = (Permission::new(&text), PermissionPattern::new(&text));
        }
    }
}
