use std::io;

use funcify_core::register::{Body, Corruption, Version, WriteId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Serializer, Value, ser::Formatter};
use zeroize::Zeroizing;

use super::{Claim, Entry, log::NOBODY};

/// The number of the format that this version of funcify writes and reads.
const FORMAT: u64 = 1;

/// The largest value of a parameter, 8 KB in the advanced tier ("Parameter Store quotas").
pub(crate) const MAX_VALUE_BYTES: usize = 8_192;

/// The record in a version of the parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) body: Body,
    pub(crate) corruption: Option<Corruption>,
}

#[derive(Serialize)]
struct Written<'a> {
    f: u64,
    base: Option<(u64, String)>,
    id: String,
    rec: &'a Map<String, Value>,
}

#[derive(Deserialize)]
struct Read {
    f: u64,
    base: Option<(u64, String)>,
    id: String,
    rec: Value,
}

/// Returns the value of the version in which the write `id` replaces `base`. It is wiped from memory when
/// it is dropped.
pub(crate) fn encode(
    base: Option<Version>,
    id: WriteId,
    body: &Body,
) -> Result<Zeroizing<String>, serde_json::Error> {
    let base = base.map(|base| (base.pos(), WriteId::from(base).to_string()));
    let written = Written { f: FORMAT, base, id: id.to_string(), rec: body.as_ref() };
    // Allocate enough memory for every value that fits, because a buffer that grows leaves copies of the
    // token in memory.
    let mut value = Zeroizing::new(Vec::with_capacity(MAX_VALUE_BYTES));
    written.serialize(&mut Serializer::with_formatter(&mut *value, WithoutBracesInStrings))?;
    String::from_utf8(std::mem::take(&mut *value))
        .map(Zeroizing::new)
        .map_err(|error| serde_json::Error::io(io::Error::other(error.utf8_error())))
}

/// Converts a value to its entry in the log and its content. This never fails: a value of another format is
/// foreign, and its record is empty. The same applies to a value that is larger than a parameter can be,
/// which is not parsed.
pub(crate) fn decode(value: &str) -> (Entry, Content) {
    if value.len() > MAX_VALUE_BYTES {
        return (Entry::FOREIGN, empty(Corruption::TooLarge));
    }
    match read(value) {
        Some((entry, Value::Object(members))) => {
            (entry, Content { body: Body::from(members), corruption: None })
        }
        Some((entry, _)) => (entry, empty(Corruption::NotAnObject)),
        None => (Entry::FOREIGN, empty(Corruption::Unreadable)),
    }
}

impl Content {
    /// Returns the content of a version that Parameter Store no longer keeps.
    pub(crate) fn lost() -> Self {
        empty(Corruption::Unreadable)
    }
}

fn empty(corruption: Corruption) -> Content {
    Content { body: Body::default(), corruption: Some(corruption) }
}

fn read(value: &str) -> Option<(Entry, Value)> {
    let Read { f, base, id, rec } = serde_json::from_str(value).ok()?;
    let id = id.parse::<WriteId>().ok().filter(|id| f == FORMAT && *id != NOBODY)?;
    let claim = match base {
        None => Claim::First,
        Some((pos, base)) => Claim::On(Version::at(base.parse::<WriteId>().ok()?, pos)),
    };
    Some((Entry { id, claim }, rec))
}

/// Writes compact JSON without `{{`, which Parameter Store would read as a reference to another parameter.
struct WithoutBracesInStrings;

impl Formatter for WithoutBracesInStrings {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(['{', '}']) {
            let (text, brace) = match part.strip_suffix('{') {
                Some(text) => (text, "\\u007b"),
                None => part.strip_suffix('}').map_or((part, ""), |text| (text, "\\u007d")),
            };
            writer.write_all(text.as_bytes())?;
            writer.write_all(brace.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{
        Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_assume, prop_oneof,
        proptest,
    };
    use serde_json::json;

    use super::*;

    const ID: WriteId = WriteId::from_bits(7);
    const BASE: Version = Version::at(WriteId::from_bits(6), 41);

    fn body(value: Value) -> Body {
        let Value::Object(members) = value else { panic!("not an object") };
        Body::from(members)
    }

    #[test]
    fn a_value_is_plain_json_without_double_braces() {
        let record = body(json!({"state": "open", "by": "{{ssm:x}} }{"}));
        assert_eq!(
            *encode(Some(BASE), ID, &record).unwrap(),
            concat!(
                r#"{"f":1,"base":[41,"00000000000000000000000000000006"],"#,
                r#""id":"00000000000000000000000000000007","#,
                r#""rec":{"by":"\u007b\u007bssm:x\u007d\u007d \u007d\u007b","state":"open"}}"#
            )
        );
        assert_eq!(
            *encode(None, ID, &Body::default()).unwrap(),
            r#"{"f":1,"base":null,"id":"00000000000000000000000000000007","rec":{}}"#
        );
    }

    #[test]
    fn a_record_that_is_not_an_object_is_corrupt_and_keeps_its_version() {
        let value = r#"{"f":1,"base":null,"id":"00000000000000000000000000000007","rec":5}"#;
        let (entry, content) = decode(value);
        assert_eq!(entry, Entry { id: ID, claim: Claim::First });
        assert_eq!(content, empty(Corruption::NotAnObject));
    }

    #[test]
    fn a_value_of_another_format_is_foreign_and_empty() {
        let id = ID.to_string();
        let values = [
            String::new(),
            "a password".to_owned(),
            "{}".to_owned(),
            "[]".to_owned(),
            format!(r#"{{"f":2,"base":null,"id":"{id}","rec":{{}}}}"#),
            format!(r#"{{"f":1,"base":null,"id":"{}","rec":{{}}}}"#, "0".repeat(32)),
            r#"{"f":1,"base":null,"id":"7","rec":{}}"#.to_owned(),
            format!(r#"{{"f":1,"base":[1,"x"],"id":"{id}","rec":{{}}}}"#),
            format!(r#"{{"f":1,"base":[-1,"{id}"],"id":"{id}","rec":{{}}}}"#),
            format!(r#"{{"f":1,"base":null,"id":"{id}","rec":{{}}}}x"#),
            format!(r#"{{"f":1,"base":null,"id":"{id}"}}"#),
        ];
        for value in values {
            assert_eq!(decode(&value), (Entry::FOREIGN, empty(Corruption::Unreadable)), "{value}");
        }
    }

    #[test]
    fn a_value_that_is_larger_than_a_parameter_can_be_is_foreign_and_not_parsed() {
        let large = body(json!({"state": "x".repeat(MAX_VALUE_BYTES)}));
        let value = encode(None, ID, &large).unwrap();
        assert_eq!(decode(&value), (Entry::FOREIGN, empty(Corruption::TooLarge)));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[{}\"\\\\u07bd]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let name = prop_oneof![any::<String>(), "[{}a]{0,6}"];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::btree_map(name, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_record_is_read_back_as_it_was_written(
            members in proptest::collection::btree_map("[{}a-z]{0,9}", any_value(), 0..6),
            id in 1..u128::MAX,
            base in proptest::option::of((any::<u64>(), any::<u128>())),
        ) {
            let base = base.map(|(pos, id)| Version::at(WriteId::from_bits(id), pos));
            let record = Body::from(members.into_iter().collect::<Map<_, _>>());
            let value = encode(base, WriteId::from_bits(id), &record).unwrap();
            prop_assert!(!value.contains("{{"), "{}", *value);
            prop_assume!(value.len() <= MAX_VALUE_BYTES);
            let claim = base.map_or(Claim::First, Claim::On);
            let entry = Entry { id: WriteId::from_bits(id), claim };
            prop_assert_eq!(decode(&value), (entry, Content { body: record, corruption: None }));
        }

        #[test]
        fn any_text_can_be_decoded(value in ".{0,200}") {
            decode(&value);
        }
    }
}
