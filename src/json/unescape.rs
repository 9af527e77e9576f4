//! The content of a JSON string whose syntax was checked before.

use crate::json::string::marks;

/// How many bytes are looked at and copied at once.
const STEP: usize = 8;

/// What `content` means, the text between the quotes; `None` where it means no text: half of a
/// surrogate pair.
pub(crate) fn unescape(content: &str) -> Option<String> {
    let mut rest = content.as_bytes();
    // No escape is shorter than what it means. A step writes more than it keeps.
    let mut text = vec![0; rest.len().saturating_add(STEP)];
    let mut end = 0_usize;
    loop {
        let room = text.get_mut(end..)?;
        let plain = match rest.first_chunk::<STEP>() {
            Some(step) => {
                *room.first_chunk_mut()? = *step;
                (marks(u64::from_le_bytes(*step), b'\\').trailing_zeros() / 8) as usize
            }
            None => {
                let plain = rest.iter().position(|byte| *byte == b'\\').unwrap_or(rest.len());
                room.get_mut(..plain)?.copy_from_slice(rest.get(..plain)?);
                if plain == rest.len() {
                    text.truncate(end.checked_add(plain)?);
                    return String::from_utf8(text).ok();
                }
                plain
            }
        };
        end = end.checked_add(plain)?;
        rest = rest.get(plain..)?;
        if plain == STEP {
            continue;
        }
        rest = match rest {
            [b'\\', b'u', digits @ ..] => {
                let (character, rest) = surrogates(digits)?;
                end = end.checked_add(character.encode_utf8(text.get_mut(end..)?).len())?;
                rest
            }
            [b'\\', letter, rest @ ..] => {
                *text.get_mut(end)? = match letter {
                    b'"' | b'\\' | b'/' => *letter,
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    _ => return None,
                };
                end = end.checked_add(1)?;
                rest
            }
            _ => return None,
        };
    }
}

/// The character of one `\uXXXX` or of two, and what follows; the first `\u` was passed.
fn surrogates(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = unit(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, rest));
    }
    let (second, rest) = unit(rest.strip_prefix(b"\\u")?)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)?, rest))
}

/// A unit of UTF-16 in four hexadecimal digits, and what follows.
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
    fn every_escape_means_what_it_says() {
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
    fn half_a_pair_and_a_broken_escape_mean_nothing() {
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
        fn what_was_escaped_comes_back(text in "[\"\\\\/\n\ta-z é😀\u{1}]{0,80}") {
            let json = serde_json::to_string(&text).unwrap();
            let content = json.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            prop_assert_eq!(unescape(content), Some(text));
        }

        #[test]
        fn any_escapes_mean_what_they_mean_to_serde(content in "(\\\\u[dD][89abcdABCD][0-9a-f]{2}|\\\\[bfnrtu/x]|[a-z]{0,9}){0,9}") {
            prop_assert_eq!(unescape(&content), by_serde(&content));
        }
    }
}
