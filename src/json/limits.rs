//! How deep and how large JSON may be.

/// The deepest JSON that is accepted: 32 levels, as many as DynamoDB allows in an item.
pub(crate) const MAX_DEPTH: usize = 32;
/// The most values that JSON may have: 10,000, as many as Lambda delivers records in a batch. Each
/// record of a batch is counted by itself.
pub(crate) const MAX_NODES: usize = 10_000;

/// Whether JSON has at most `max_depth` levels and at most 10,000 values.
///
/// One pass over the bytes. The text must be valid JSON: syntax is not checked here.
pub(crate) fn is_within_limits(json: impl Iterator<Item = u8>, max_depth: usize) -> bool {
    let (mut depth, mut nodes, mut in_string, mut escaped) = (0_usize, 1_usize, false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                nodes += 1;
                if depth > max_depth {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => nodes += 1,
            _ => {}
        }
    }
    nodes <= MAX_NODES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_commas_in_strings_do_not_count() {
        let within = |json: &str| is_within_limits(json.bytes(), MAX_DEPTH);
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(within(&nested(32)));
        assert!(!within(&nested(33)));
        assert!(within(&format!("\"{}\"", "[".repeat(100))));
        assert!(within(&format!("\"\\\"{}\"", "[".repeat(100))));
        let wide = |values: usize| format!("[{}1]", "1,".repeat(values - 1));
        assert!(within(&wide(9_999)));
        assert!(!within(&wide(10_000)));
    }
}
