//! The sources, by Amazon Resource Name (ARN), from which a route takes records.

/// A pattern for ARNs: each of the six parts is compared by itself.
///
/// `*` matches any characters within one part and never a colon between parts. So a pattern that names an
/// account cannot match another account. The sixth part, the resource, may contain colons and slashes; there
/// `*` matches them too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourcePattern(Box<str>);

impl SourcePattern {
    pub(crate) fn new(pattern: &str) -> Option<Self> {
        let clean = pattern.bytes().all(|byte| byte.is_ascii_graphic());
        let parts: Vec<&str> = parts(pattern).collect();
        let legal = matches!(parts.as_slice(), ["arn", partition, service, _, _, resource]
            if !partition.is_empty() && !service.is_empty() && !resource.is_empty());
        (clean && legal).then(|| Self(pattern.into()))
    }

    /// Whether the pattern can match an ARN of this service.
    pub(crate) fn is_for(&self, service: &str) -> bool {
        parts(&self.0).nth(2).is_some_and(|pattern| part_matches(pattern, service))
    }

    pub(crate) fn matches(&self, arn: &str) -> bool {
        parts(arn).count() == 6
            && parts(&self.0).zip(parts(arn)).all(|(pattern, part)| part_matches(pattern, part))
    }
}

/// `arn:partition:service:region:account:resource`; only the resource may contain colons.
fn parts(arn: &str) -> impl Iterator<Item = &str> {
    arn.splitn(6, ':')
}

fn part_matches(pattern: &str, part: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == part };
    let Some(mut left) = part.strip_prefix(first) else { return false };
    // Take the first match of each literal: if any choice matches the rest, this one does.
    let mut literals: Vec<&str> = rest.split('*').collect();
    let last = literals.pop().unwrap_or_default();
    for literal in literals {
        match left.split_once(literal) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_an_arn_is_compared_by_itself() {
        let queue = "arn:aws:sqs:eu-west-1:123456789012:orders";
        let stream =
            "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2024-01-01T00:00:00.000";
        let rows: &[(&str, &str, bool)] = &[
            (queue, queue, true),
            ("arn:aws:sqs:*:123456789012:orders*", queue, true),
            (
                "arn:aws:sqs:*:123456789012:orders*",
                "arn:aws:sqs:eu-west-1:123456789012:orders-dev",
                true,
            ),
            ("arn:*:*:*:*:*", queue, true),
            ("arn:aws*:sqs:eu-*-1:123456789012:*ers", queue, true),
            ("arn:aws:s3:::uploads", "arn:aws:s3:::uploads", true),
            ("arn:aws:s3:*:*:uploads*", "arn:aws:s3:::uploads-dev", true),
            ("arn:aws:dynamodb:*:123456789012:table/t/stream/*", stream, true),
            (
                "arn:aws:sqs:*:123456789012:orders",
                "arn:aws:sqs:eu-west-1:123456789012:orders-dev",
                false,
            ),
            (
                "arn:aws:sqs:*:123456789012:orders*",
                "arn:aws:sqs:eu-west-1:999999999999:orders",
                false,
            ),
            (
                "arn:aws:sqs:*:123456789012:orders*",
                "arn:aws:sns:eu-west-1:123456789012:orders",
                false,
            ),
            (
                "arn:aws:sqs:*:123456789012:orders*",
                "arn:aws:sqs:eu-west-1:123456789012:reorders",
                false,
            ),
            // A wildcard does not match a colon between parts, so another account never matches.
            ("arn:aws:sqs:*:orders", "arn:aws:sqs:eu-west-1:123456789012:orders", false),
            (
                "arn:aws:sqs:*:123456789012:orders",
                "arn:aws:sqs:x:999999999999:123456789012:orders",
                false,
            ),
            ("arn:aws:sqs:eu-west-1:*:orders", "arn:aws:sqs:eu-west-1:1:2:orders", false),
            ("arn:aws:sqs:*:123456789012:a*b*c", "arn:aws:sqs::123456789012:abxc", true),
            ("arn:aws:sqs:*:123456789012:a*b*b", "arn:aws:sqs::123456789012:ab", false),
            ("*", queue, false),
            (queue, "", false),
            (queue, "arn:aws:sqs", false),
        ];
        for (pattern, arn, expected) in rows {
            let matches = SourcePattern::new(pattern).is_some_and(|pattern| pattern.matches(arn));
            assert_eq!(matches, *expected, "{pattern} on {arn}");
        }
    }

    #[test]
    fn a_pattern_is_for_the_services_that_its_third_part_matches() {
        for (pattern, service, expected) in [
            ("arn:aws:s3:::uploads", "s3", true),
            ("arn:aws:s*:::uploads", "sns", true),
            ("arn:aws:*:::uploads", "sns", true),
            ("arn:aws:s3:::uploads", "sns", false),
            ("arn:aws:sqs:r:a:s3", "s3", false),
        ] {
            assert_eq!(SourcePattern::new(pattern).unwrap().is_for(service), expected, "{pattern}");
        }
    }

    #[test]
    fn text_without_the_parts_of_an_arn_is_not_a_pattern() {
        for wrong in [
            "",
            "*",
            "orders",
            "arn:aws:sqs",
            "arn:aws:sqs:r:a:",
            "arn::sqs:r:a:q",
            "a:a:a:a:a:a",
            "arn:aws:sqs:r:a:q q",
        ] {
            assert!(SourcePattern::new(wrong).is_none(), "{wrong}");
        }
    }
}
