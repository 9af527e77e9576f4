//! Bytes as hexadecimal digits, without the detour of a formatter.

/// Returns the digits of the first `take` bytes, in lower case.
#[must_use]
pub fn hex(bytes: &[u8], take: usize) -> String {
    let mut text = String::with_capacity(take.saturating_mul(2));
    text.extend(bytes.iter().take(take).flat_map(digits));
    text
}

/// Returns the two digits of a byte.
pub(crate) fn digits(byte: &u8) -> [char; 2] {
    let digit = |half: u8| char::from(half + if half < 10 { b'0' } else { b'a' - 10 });
    [digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_the_digits_that_a_formatter_writes() {
        for byte in 0..=u8::MAX {
            assert_eq!(hex(&[byte, 7], 1), format!("{byte:02x}"));
        }
        assert_eq!(hex(&[0xab, 0x0c], 9), "ab0c");
    }
}
