//! Finds the end of a string in valid JSON.

/// The text after the string whose content `text` begins with, and whether the string has escape sequences.
#[inline]
pub(crate) fn after_string(text: &[u8]) -> Option<(&[u8], bool)> {
    match from_mark(text) {
        [b'"', rest @ ..] => Some((rest, false)),
        rest => after_escaped(rest),
    }
}

/// `text` from its first quote or backslash on, or its last few bytes.
///
/// Reads eight bytes at a time. Most strings are short and have no escape sequence.
#[inline(always)]
fn from_mark(mut text: &[u8]) -> &[u8] {
    while let Some((word, rest)) = text.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let hits = first_mark(word, b'"') | first_mark(word, b'\\');
        if hits != 0 {
            return text.get((hits.trailing_zeros() / 8) as usize..).unwrap_or_default();
        }
        text = rest;
    }
    text
}

/// The same as [`after_string`], from a place where an escape sequence may begin. JSON in a JSON string has
/// many escape sequences, so eight bytes are examined together.
#[inline(never)]
fn after_escaped(mut text: &[u8]) -> Option<(&[u8], bool)> {
    // `text` begins with a backslash, unless it is the last few bytes.
    let mut is_escaped = text.first() == Some(&b'\\');
    // Whether a backslash before these eight bytes escapes the first of them.
    let mut carried = 0;
    while let Some((word, rest)) = text.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let slashes = escaping(marks(word, b'\\') & !carried);
        let ends = marks(word, b'"') & !(slashes << 8 | carried);
        if ends != 0 {
            return Some((text.get((ends.trailing_zeros() / 8 + 1) as usize..)?, is_escaped));
        }
        carried = slashes >> 63 << 7;
        text = rest;
    }
    if carried != 0 {
        text = text.get(1..)?;
    }
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some((rest, is_escaped)),
            [b'\\', _, rest @ ..] => {
                is_escaped = true;
                rest
            }
            [_, rest @ ..] => rest,
            [] => return None,
        };
    }
}

/// The backslashes that escape the byte after them. These are all backslashes, unless two are next to each
/// other.
#[inline]
fn escaping(mut slashes: u64) -> u64 {
    if slashes & slashes << 8 == 0 {
        return slashes;
    }
    let mut escaping = 0;
    while slashes != 0 {
        let lowest = slashes & slashes.wrapping_neg();
        escaping |= lowest;
        slashes &= !(lowest | lowest << 8);
    }
    escaping
}

/// Whether the content of a string has escape sequences.
pub(crate) fn is_escaped(content: &[u8]) -> bool {
    let (words, rest) = content.as_chunks::<8>();
    words.iter().any(|word| marks(u64::from_le_bytes(*word), b'\\') != 0) || rest.contains(&b'\\')
}

/// The high bit of each byte.
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

/// Sets the high bit of each byte in `word` that equals `byte`, which is ASCII (Warren: *Hacker's Delight*, 6-1).
///
/// `(word & 0x7f…) + 0x7f…` has that bit where any of the seven lower bits of a byte is set.
#[inline]
pub(crate) fn marks(word: u64, byte: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    let differs = word ^ u64::from_le_bytes([byte; 8]);
    // Most text is ASCII, for which one addition is enough.
    if word & HIGH == 0 {
        return !(differs + LOW) & HIGH;
    }
    !(((differs & LOW) + LOW) | differs | LOW)
}

/// The same as [`marks`], but cheaper, and correct only up to the first such byte: the subtraction borrows
/// from the bytes above it (Warren, 6-1).
#[inline]
pub(crate) fn first_mark(word: u64, byte: u8) -> u64 {
    let differs = word ^ u64::from_le_bytes([byte; 8]);
    differs.wrapping_sub(u64::from_le_bytes([1; 8])) & !differs & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_bytes_in_question_are_marked() {
        for (word, marked) in [
            (*b"........", 0),
            (*b"\".......", 0x80),
            (*b".\"#\".#!\"", 0x8000_0000_8000_8000),
            (*b"\"\"\"\"\"\"\"\"", HIGH),
            (*b"\x00\x7f\"\x01\x23\x21\x5c\x22", 0x8000_0000_0080_0000),
            ([0xa2, 0x22, 0xa2, 0x23, 0, 0xff, 0x22, 0x21], 0x0080_0000_0000_8000),
        ] {
            let word = u64::from_le_bytes(word);
            assert_eq!(marks(word, b'"'), marked, "{word:x}");
            let first = first_mark(word, b'"');
            assert_eq!(first.trailing_zeros(), marked.trailing_zeros(), "{word:x}");
        }
    }

    proptest! {
        #[test]
        fn a_string_ends_where_a_scan_of_single_bytes_ends_it(text in "[a\"\\\\é]{0,30}") {
            let by_byte = |mut at: usize| loop {
                match text.as_bytes().get(at)? {
                    b'"' => break Some((at + 1, text.get(..at)?.contains('\\'))),
                    b'\\' => at += 2,
                    _ => at += 1,
                }
            };
            let ends = after_string(text.as_bytes());
            prop_assert_eq!(ends.map(|(rest, is_escaped)| (text.len() - rest.len(), is_escaped)), by_byte(0));
        }
    }
}
