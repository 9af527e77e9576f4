//! Permissions, and the patterns that grant them.

use std::fmt;

/// The text is not a [`Permission`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected service:resource:action, got {got:?}")]
pub(crate) struct PermissionError {
    got: String,
}

impl PermissionError {
    fn new(got: &str) -> Self {
        // Enough to recognise the text, however long it is.
        Self { got: got.chars().take(80).collect() }
    }
}

/// What a route needs: `service:resource:action`, each of them a name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Permission(Box<str>);

impl Permission {
    /// Parses three names of `A-Z a-z 0-9 _ . -`.
    pub(crate) fn new(permission: impl AsRef<str>) -> Result<Self, PermissionError> {
        let permission = permission.as_ref();
        if permission.split(':').count() == 3 && permission.split(':').all(is_name) {
            Ok(Self(permission.into()))
        } else {
            Err(PermissionError::new(permission))
        }
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

/// A pattern for the permissions that a caller was granted. `*` matches one whole segment, and `**` at the
/// end matches all segments that remain.
///
/// Segments are compared whole: `orders:*:read` grants reading everything of `orders`, and nothing of
/// `orders-archive`.
#[derive(Clone, Copy)]
pub(crate) struct PermissionPattern<'a>(&'a str);

impl<'a> PermissionPattern<'a> {
    /// Parses three segments, each a name or `*`, or fewer with `**` at the end. `None` for other text.
    pub(crate) fn new(pattern: &'a str) -> Option<Self> {
        let (leading, count) = match pattern.strip_suffix("**") {
            // Before `**` comes nothing, or segments that each end in a colon.
            Some("") => return Some(Self(pattern)),
            Some(leading) => (leading.strip_suffix(':').unwrap_or("**"), 1..=2),
            None => (pattern, 3..=3),
        };
        let legal = leading.split(':').all(|segment| segment == "*" || is_name(segment));
        (legal && count.contains(&leading.split(':').count())).then_some(Self(pattern))
    }

    /// Whether a caller who was granted this pattern has `permission`.
    pub(crate) fn grants(self, permission: &Permission) -> bool {
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
}

impl fmt::Debug for PermissionPattern<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Whether a segment is a name: 1 to 64 characters.
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
        PermissionPattern::new(pattern).is_some_and(|pattern| pattern.grants(&permission))
    }

    /// What must be granted, and what must not, including everything that pyfuncify grants by mistake.
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
        // These texts are not patterns, so they grant nothing.
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

    /// Mutants: the same table catches each of them.
    #[test]
    fn the_table_catches_a_comparison_that_omits_a_part() {
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
    fn a_permission_has_no_wildcard() {
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
        /// A pattern grants only permissions that have all its literal segments in their positions.
        #[test]
        fn a_pattern_grants_only_what_has_all_its_literals(
            granted in segments(), needed in segments(), wild in prop::collection::vec(prop::bool::ANY, 3),
        ) {
            let pattern: Vec<&str> = granted.iter().zip(&wild)
                .map(|(segment, wild)| if *wild { "*" } else { segment.as_str() }).collect();
            let agree = granted.iter().zip(&needed).zip(&wild).all(|((g, n), wild)| *wild || g == n);
            prop_assert_eq!(grants(&pattern.join(":"), &needed.join(":")), agree);
        }

        /// A longer pattern never grants what its shorter, broader form does not.
        #[test]
        fn a_shorter_pattern_grants_all_that_a_longer_one_grants(granted in segments(), needed in segments()) {
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
