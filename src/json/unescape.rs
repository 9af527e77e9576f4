//! Decodes the escape sequences of a JSON string.

use crate::json::string::first_mark;

/// How many bytes are compared and copied at once: a 64-bit word.
const STEP: usize = 8;

/// Decodes `content`, the text between the quotes. `None` for an invalid escape sequence, such as half
/// of a surrogate pair.
pub(crate) fn unescape(content: &str) -> Option<String> {
    let mut rest = content.as_bytes();
    // An escape sequence is never shorter than what it decodes to. Each step writes up to eight bytes
    // more than it keeps.
    let mut text = vec![0; rest.len().saturating_add(STEP)];
    let mut room = text.as_mut_slice();
    loop {
        while let Some((step, behind)) = rest.split_first_chunk::<STEP>() {
            *room.first_chunk_mut()? = *step;
            let hits = first_mark(u64::from_le_bytes(*step), b'\\');
            if hits == 0 {
                (rest, room) = (behind, room.get_mut(STEP..)?);
                continue;
            }
            let plain = (hits.trailing_zeros() / 8) as usize;
            (rest, room) = (rest.get(plain..)?, room.get_mut(plain..)?);
            let [_, letter, behind @ ..] = rest else { return None };
            let decoded = simple(*letter);
            if decoded == 0 {
                break;
            }
            let (place, after) = room.split_first_mut()?;
            *place = decoded;
            (rest, room) = (behind, after);
        }
        (rest, room) = match rest {
            [b'\\', b'u', digits @ ..] => {
                let (character, rest) = surrogates(digits)?;
                let length = character.encode_utf8(room).len();
                (rest, room.get_mut(length..)?)
            }
            [b'\\', letter, rest @ ..] => {
                let (place, room) = room.split_first_mut()?;
                *place = Some(simple(*letter)).filter(|decoded| *decoded != 0)?;
                (rest, room)
            }
            [b'\\'] => return None,
            [plain, rest @ ..] => {
                let (place, room) = room.split_first_mut()?;
                *place = *plain;
                (rest, room)
            }
            [] => break,
        };
    }
    let left = room.len();
    text.truncate(text.len().checked_sub(left)?);
    String::from_utf8(text).ok()
}

/// The character that a backslash and this letter encode. 0 for `u`, and for a letter that is not allowed.
#[inline]
fn simple(letter: u8) -> u8 {
    match letter {
        b'"' | b'\\' | b'/' => letter,
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        _ => 0,
    }
}

/// Decodes one `\uXXXX` or a pair of them. `text` begins after the first `\u`. Returns the rest of the text
/// too.
fn surrogates(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = unit(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, rest));
    }
    let (second, rest) = unit(rest.strip_prefix(b"\\u")?)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)?, rest))
}

/// Decodes a UTF-16 unit in four hexadecimal digits. Returns the rest of the text too.
fn unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let mut digits = digits.iter().map(|digit| char::from(*digit).to_digit(16));
    let unit = digits.try_fold(0, |unit, digit| Some(unit * 16 + digit?))?;
    Some((unit, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_serde(content: &str) -> Option<String> {
        serde_json::from_str(&format!("\"{content}\"")).ok()
    }

    #[test]
    fn every_escape_sequence_is_decoded() {
        for content in [
            "",
            "plain",
            r#"\"\\\/\b\f\n\r\t"#,
            r"\u00fc\u20AC\ud83d\ude00\u0000",
            r"twelve bytes and \n more than that, to the end of it\\",
            "\\u00fcü\\\"ü",
        ] {
            assert_eq!(unescape(content), by_serde(content), "{content}");
            assert!(unescape(content).is_some(), "{content}");
        }
    }

    #[test]
    fn half_a_pair_and_an_invalid_escape_sequence_are_refused() {
        for content in [
            r"\ud800",
            r"\ud800x",
            r"\ud800\n",
            r"\ud800\ud800",
            r"\udc00",
            r"\u12",
            r"\u12g4",
            r"\x",
            "\\",
        ] {
            assert_eq!(unescape(content), None, "{content}");
            assert_eq!(by_serde(content), None, "{content}");
        }
    }

    proptest! {
        #[test]
        fn text_survives_escaping_and_decoding(text in "[\"\\\\/\n\ta-z é😀\u{1}]{0,80}") {
            let json = serde_json::to_string(&text).unwrap();
            let content = json.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            prop_assert_eq!(unescape(content), Some(text));
        }

        #[test]
        fn any_escape_sequences_decode_as_serde_decodes_them(content in "(\\\\u[dD][89abcdABCD][0-9a-f]{2}|\\\\[bfnrtu/x]|[a-z]{0,9}){0,9}") {
            prop_assert_eq!(unescape(&content), by_serde(&content));
        }
    }
}
