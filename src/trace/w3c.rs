//! Parses the headers of a trace. Anyone can write these headers, so a malformed one is dropped: the services
//! that get the trace next need not cope with it.

use http::{HeaderMap, HeaderValue, header::HeaderName};

/// The most members of a `tracestate` (W3C Trace Context, section 3.3.1.1).
const MOST_MEMBERS: usize = 32;

/// The longest `X-Amzn-Trace-Id` that is passed on. AWS writes about 100 characters, and about 100 more for
/// its `Lineage`.
const LONGEST_XRAY: usize = 512;

/// The value of `name`, if there is only one. If there are two, the next service could choose the other one.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Parses a `traceparent` (section 3.2): `00`, trace id, parent id and flags, in lower-case hexadecimal.
///
/// A later version may have more parts. Its first four are passed on as version `00`.
pub(super) fn traceparent(value: &HeaderValue) -> Option<HeaderValue> {
    let (known, rest) = value.to_str().ok()?.split_at_checked(55)?;
    let mut parts = known.splitn(4, '-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
    if !is_hex(version, 2)
        || version == "ff"
        || !is_id(trace, 32)
        || !is_id(parent, 16)
        || !is_hex(flags, 2)
    {
        return None;
    }
    match version {
        "00" => rest.is_empty().then(|| value.clone()),
        _ if rest.is_empty() || rest.starts_with('-') => {
            // Version 00 has one flag, `sampled`. The others must be 0.
            let sampled = flags.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']);
            HeaderValue::from_str(&format!("00-{trace}-{parent}-0{}", u8::from(sampled))).ok()
        }
        _ => None,
    }
}

/// Parses a `tracestate` (section 3.3): up to 32 members `key=value`, in one header or several. One malformed
/// member makes the whole text invalid.
pub(super) fn tracestate<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Option<HeaderValue> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    for text in texts {
        for member in text?.split(',') {
            let member = member.trim_matches([' ', '\t']);
            // Empty members are allowed, but not passed on.
            if member.is_empty() {
                continue;
            }
            let (key, value) = member.split_once('=')?;
            let is_new = members.iter().all(|(known, _)| *known != key);
            if !is_new || !is_key(key) || !is_value(value) || members.len() == MOST_MEMBERS {
                return None;
            }
            members.push((key, value));
        }
    }
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if members.is_empty() { None } else { HeaderValue::from_str(&members.join(",")).ok() }
}

fn is_key(key: &str) -> bool {
    let legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    (1..=256).contains(&key.len())
        && key.bytes().all(legal)
        && key.starts_with(|letter: char| letter.is_ascii_alphanumeric())
}

fn is_value(value: &str) -> bool {
    let legal = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(legal) && !value.ends_with(' ')
}

/// Whether the text is an `X-Amzn-Trace-Id`: members `Name=value` separated by semicolons, one of which is
/// `Root`.
pub(crate) fn is_xray(text: &str) -> bool {
    let legal = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b':' | b'.' | b',' | b'|' | b'/' | b'+')
    };
    let is_text = |text: &[u8]| !text.is_empty() && text.iter().all(legal);
    let mut members = text.as_bytes();
    while let [before @ .., b';'] = members {
        members = before;
    }
    let mut has_root = false;
    for member in members.split(|byte| *byte == b';') {
        let mut parts = without_spaces(member).splitn(2, |byte| *byte == b'=');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { return false };
        if !is_text(name) || !is_text(value) {
            return false;
        }
        has_root |= name == b"Root";
    }
    has_root && text.len() <= LONGEST_XRAY
}

fn without_spaces(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    #[test]
    fn a_traceparent_of_the_standard_is_passed_on() {
        let parent = |text: &str| {
            let value = traceparent(&HeaderValue::from_str(text).unwrap());
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        for flags in ["00", "01", "ff"] {
            let text = format!("00-{TRACE}-{PARENT}-{flags}");
            assert_eq!(parent(&text), Some(text.clone()));
        }
        for (later, flags) in [("01", "01"), ("cc-ignored", "01"), ("02-", "00")] {
            let (version, rest) = later.split_at(2);
            let text = format!("{version}-{TRACE}-{PARENT}-{flags}{rest}");
            assert_eq!(parent(&text), Some(format!("00-{TRACE}-{PARENT}-{flags}")), "{text}");
        }
        assert_eq!(
            parent(&format!("01-{TRACE}-{PARENT}-fe")),
            Some(format!("00-{TRACE}-{PARENT}-00"))
        );
    }

    #[test]
    fn any_other_traceparent_is_dropped() {
        for text in [
            "",
            "canary",
            "00",
            &format!("00-{TRACE}-{PARENT}"),
            &format!("00-{TRACE}-{PARENT}-"),
            &format!("00-{TRACE}-{PARENT}-0"),
            &format!("00-{TRACE}-{PARENT}-011"),
            &format!("00-{TRACE}-{PARENT}-01-canary"),
            &format!("00-{TRACE}-{PARENT}-01 "),
            &format!(" 00-{TRACE}-{PARENT}-01"),
            &format!("ff-{TRACE}-{PARENT}-01"),
            &format!("0-{TRACE}-{PARENT}-001"),
            &format!("01-{TRACE}-{PARENT}-01canary"),
            &format!("00-{}-{PARENT}-01", "0".repeat(32)),
            &format!("00-{TRACE}-{}-01", "0".repeat(16)),
            &format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            &format!("00-{}-{PARENT}-01", TRACE.replace('0', "g")),
            &format!("00-{TRACE}-{PARENT}-0ü"),
            &format!("00_{TRACE}_{PARENT}_01"),
        ] {
            let value = HeaderValue::from_bytes(text.as_bytes()).unwrap();
            assert_eq!(traceparent(&value), None, "{text}");
        }
    }

    #[test]
    fn a_tracestate_is_passed_on_whole_or_not_at_all() {
        let state = |texts: &[&str]| {
            let value = tracestate(texts.iter().copied().map(Some));
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let passed = |text: &str| state(&[text]);
        for (texts, expected) in [
            (&["rojo=00f067aa0ba902b7"] as &[_], "rojo=00f067aa0ba902b7"),
            (&["a=1, b=2 ,,\tc=x y"], "a=1,b=2,c=x y"),
            (&["a=1", "b=2"], "a=1,b=2"),
            (&["fw529a3039@dt=FfAA", "0x/a*_-=~!"], "fw529a3039@dt=FfAA,0x/a*_-=~!"),
        ] {
            assert_eq!(state(texts).as_deref(), Some(expected), "{texts:?}");
        }
        let many = |count: usize| {
            let members: Vec<_> = (0..count).map(|number| format!("k{number}=v")).collect();
            members.join(",")
        };
        assert!(passed(&many(32)).is_some());
        let (long_key, long_value) = ("k".repeat(257), "v".repeat(257));
        for text in [
            "",
            ",",
            "canary",
            "a=",
            "=b",
            "A=b",
            "a b=c",
            "a=b=c",
            "a=\u{7f}",
            "a=ü",
            "_a=b",
            "a=1,a=2",
            "a=1,canary",
            &many(33),
            &format!("{long_key}=v"),
            &format!("k={long_value}"),
        ] {
            assert_eq!(passed(text), None, "{text}");
        }
        assert_eq!(tracestate([Some("a=1"), None].into_iter()), None, "not text");
    }

    #[test]
    fn an_xray_header_has_a_root_and_nothing_that_is_not_a_member() {
        for text in [
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
            "Self=1-2-3;Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:0|68fd508a:5",
            "Root=1; Parent=2;",
        ] {
            assert!(is_xray(text), "{text}");
        }
        for text in [
            "",
            ";",
            "canary",
            "Root",
            "Root=",
            "Parent=1",
            "Root=1;canary",
            "Root=1;a=<script>",
            "Root=1 2",
            "Root=1\n",
            "Root=ü",
            &format!("Root={}", "1".repeat(600)),
        ] {
            assert!(!is_xray(text), "{text}");
        }
    }
}
