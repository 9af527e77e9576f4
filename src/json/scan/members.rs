use crate::json::scan::scanner::{Scan, ScanError};

/// Finds members of a JSON object in one pass and returns the text of their values.
///
/// `place` returns the index in the result for the name of a member. Members without an index are skipped. A
/// value of `null` counts as absent. Text after the object is not read. Syntax is not checked, so invalid
/// JSON may be accepted as an object.
pub(crate) fn members<const N: usize>(
    json: &str,
    place: impl Fn(&str) -> Option<usize>,
) -> Result<[Option<&str>; N], ScanError> {
    let mut found = [None; N];
    Scan::new(json).each(|scan, name| {
        let value = scan.value().ok_or(ScanError::NotAnObject)?;
        keep(&mut found, place(&name), &name, value)
    })?;
    Ok(without_null(found))
}

/// Stores the value of a member at its index, if it has one. A second value for one index is refused.
fn keep<'a>(
    found: &mut [Option<&'a str>],
    place: Option<usize>,
    name: &str,
    value: &'a str,
) -> Result<(), ScanError> {
    if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
        if slot.is_some() {
            return Err(ScanError::Repeated(name.to_owned()));
        }
        *slot = Some(value);
    }
    Ok(())
}

/// A member whose value is `null` counts as absent.
fn without_null<const N: usize>(found: [Option<&str>; N]) -> [Option<&str>; N] {
    found.map(|value| value.filter(|value| *value != "null"))
}

/// The value of the first member whose name is one of `names`. The text after it is not read.
pub(crate) fn first_of<'a>(json: &'a str, names: &[&str]) -> Option<&'a str> {
    let mut scan = Scan::new(json);
    scan.opening()?;
    loop {
        let (name, value) = (scan.name()?, scan.value()?);
        if names.contains(&&*name) && value != "null" {
            return Some(value);
        }
        if !scan.take(b',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ab(json: &str) -> Result<[Option<&str>; 2], ScanError> {
        members(json, |name| match name {
            "a" => Some(0),
            "b" => Some(1),
            _ => None,
        })
    }

    #[test]
    fn members_are_found_at_any_position() {
        for (json, found) in [
            ("{}", [None, None]),
            (" { } ", [None, None]),
            (r#"{"a":1,"b":"2"}"#, [Some("1"), Some("\"2\"")]),
            ("{ \"b\" : [1, {\"a\": 2}] ,\n\"c\":null }", [None, Some("[1, {\"a\": 2}]")]),
            (r#"{"a":null,"x":{"a":"}"},"b":"\"a\":{"}"#, [None, Some(r#""\"a\":{""#)]),
            (r#"{"\u0061":true,"b\\":false}"#, [Some("true"), None]),
            (r#"{"a":1},{"a":2}]"#, [Some("1"), None]),
        ] {
            assert_eq!(ab(json), Ok(found), "{json}");
        }
    }

    #[test]
    fn a_member_that_occurs_twice_is_refused() {
        assert_eq!(ab(r#"{"a":1,"c":1,"c":2,"a":1}"#), Err(ScanError::Repeated("a".to_owned())));
        assert_eq!(ab(r#"{"a":1,"\u0061":1}"#), Err(ScanError::Repeated("a".to_owned())));
        assert_eq!(ab(r#"{"a":null,"a":1}"#), Err(ScanError::Repeated("a".to_owned())));
        assert_eq!(ab(r#"{"a":1,"a":null}"#), Err(ScanError::Repeated("a".to_owned())));
        assert_eq!(ab(r#"{"a":null,"c":null,"c":null}"#), Ok([None, None]));
    }

    #[test]
    fn the_first_of_some_names_ends_the_scan() {
        let json = r#"{"x":{"a":0},"b":null,"b":[2],"a":1,"broken"#;
        assert_eq!(first_of(json, &["a", "b"]), Some("[2]"));
        assert_eq!(first_of(json, &["a"]), Some("1"));
        assert_eq!(first_of(json, &["c"]), None);
        assert_eq!(first_of("{}", &["a"]), None);
    }

    #[test]
    fn text_that_is_not_an_object_is_refused() {
        for json in [
            "",
            " ",
            "[]",
            "1",
            "\"a\"",
            "{",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{1:2}",
            "{\"a\" 1}",
            "{\"a\\",
            "{\"a\":1,}",
            "{\"a\":}",
        ] {
            assert_eq!(ab(json), Err(ScanError::NotAnObject), "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_scan_finds_the_members_that_serde_finds(
            names in proptest::collection::hash_set("[ab\"\\\\{}é]{0,9}", 0..6),
            values in proptest::collection::vec(".{0,40}", 6),
        ) {
            let object: serde_json::Map<_, _> =
                names.into_iter().zip(values.into_iter().map(|text| vec![text].into())).collect();
            for json in [
                serde_json::to_string(&object).unwrap(),
                serde_json::to_string_pretty(&object).unwrap(),
            ] {
                let [a, b] = ab(&json).unwrap();
                let parsed = |value: Option<&str>| {
                    value.map(|json| serde_json::from_str::<serde_json::Value>(json).unwrap())
                };
                prop_assert_eq!(parsed(a), object.get("a").cloned());
                prop_assert_eq!(parsed(b), object.get("b").cloned());
            }
        }

        #[test]
        fn no_text_makes_a_scan_panic(text in "[{}\\[\\]\",:\\\\a é]{0,60}") {
            let _ = ab(&text);
            let _ = first_of(&text, &["a"]);
        }
    }
}
