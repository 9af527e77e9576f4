//! Finds the end of a string in valid JSON.

/// Where the string ends whose content begins at `at` (after its closing quote), and whether it has
/// escape sequences.
///
/// Reads eight bytes at a time. Most strings are short and have no escape sequence.
#[inline]
pub(crate) fn after_string(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let hits = first_mark(word, b'"') | first_mark(word, b'\\');
        if hits != 0 {
            at += (hits.trailing_zeros() / 8) as usize;
            break;
        }
        at += 8;
    }
    if text.get(at) == Some(&b'"') { Some((at + 1, false)) } else { after_escaped(text, at) }
}

/// The same from a position where an escape sequence may begin. JSON in a JSON string has many of them,
/// so all those in eight bytes are handled at once.
fn after_escaped(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut is_escaped = false;
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let quotes = marks(word, b'"');
        let mut hits = quotes | marks(word, b'\\');
        at += 8;
        while hits != 0 {
            let lowest = hits & hits.wrapping_neg();
            if quotes & lowest != 0 {
                return Some((at - 7 + (lowest.trailing_zeros() / 8) as usize, is_escaped));
            }
            // The escaped byte is skipped; it may be the first of the next eight.
            is_escaped = true;
            at += usize::from(lowest.leading_zeros() == 0);
            hits &= !(lowest | lowest << 8);
        }
    }
    loop {
        match text.get(at)? {
            b'"' => return Some((at + 1, is_escaped)),
            b'\\' => {
                is_escaped = true;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// Whether the content of a string has escape sequences.
pub(crate) fn is_escaped(content: &[u8]) -> bool {
    let (words, rest) = content.as_chunks::<8>();
    words.iter().any(|word| marks(u64::from_le_bytes(*word), b'\\') != 0) || rest.contains(&b'\\')
}

/// Sets the high bit of each byte in `word` that equals `byte` (Warren: *Hacker's Delight*, 6-1).
///
/// `(word & 0x7f…) + 0x7f…` has that bit where any of the seven lower bits of a byte is set.
pub(crate) fn marks(word: u64, byte: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    let word = word ^ u64::from_le_bytes([byte; 8]);
    !(((word & LOW) + LOW) | word | LOW)
}

/// The same, cheaper, and correct only up to the first such byte: the subtraction borrows from the bytes
/// above it (Warren, 6-1).
fn first_mark(word: u64, byte: u8) -> u64 {
    let word = word ^ u64::from_le_bytes([byte; 8]);
    word.wrapping_sub(u64::from_le_bytes([1; 8])) & !word & u64::from_le_bytes([0x80; 8])
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
            prop_assert_eq!(after_string(text.as_bytes(), 0), by_byte(0));
        }
    }
}
