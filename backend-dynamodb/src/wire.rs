//! Converts a record to an item and back. Each member of the record is an attribute.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use funcify_core::register::{Body, Corruption, Version, Versioned, WriteId};
use serde_json::{Map, Number, Value};

use crate::{
    DynamoDbError,
    table_key::{TTL, TableKey, WRITE_ID},
};

/// The largest item that DynamoDB stores, 400 KB ("Item size" in the quotas of DynamoDB).
pub(crate) const MAX_ITEM_BYTES: usize = 400 * 1024;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// Returns the key attributes of the item at `at`.
pub(crate) fn key(key: &TableKey, at: String) -> Item {
    let sort = key.sort.as_ref();
    let sort = sort.map(|sort| (sort.name.clone(), AttributeValue::S(sort.value.clone())));
    let partition = (key.partition.clone(), AttributeValue::S(at));
    [Some(partition), sort].into_iter().flatten().collect()
}

/// Converts the record at `at` to an item. `ttl` is in Unix seconds.
pub(crate) fn encode(
    table_key: &TableKey,
    at: String,
    id: WriteId,
    ttl: i64,
    body: &Body,
) -> Result<Item, DynamoDbError> {
    let mut size = at.len() + 64;
    let mut item = key(table_key, at);
    item.reserve(body.as_ref().len() + 2);
    for (name, value) in body.as_ref() {
        if table_key.reserves(name) {
            return Err(DynamoDbError::Member { name: name.clone() });
        }
        size += name.len() + size_of_value(value);
        item.insert(name.clone(), attribute(value));
    }
    if size > MAX_ITEM_BYTES {
        return Err(DynamoDbError::TooLarge { size });
    }
    item.insert(WRITE_ID.to_owned(), AttributeValue::S(id.to_string()));
    item.insert(TTL.to_owned(), AttributeValue::N(ttl.to_string()));
    Ok(item)
}

/// Converts an item to its record. `None` if funcify did not write the item.
///
/// If an attribute cannot be read, or if the item is larger than an item can be, the record is empty and
/// marked as corrupt, and keeps its version.
pub(crate) fn decode(table_key: &TableKey, mut item: Item) -> Option<Versioned<Body>> {
    let version = Version::from(write_id(&item)?);
    item.retain(|name, _| !table_key.reserves(name));
    let corrupt =
        |corruption| Versioned { value: Body::default(), version, corruption: Some(corruption) };
    let sizes = item.iter().map(|(name, attribute)| name.len() + size_of_attribute(attribute));
    if sizes.sum::<usize>() > MAX_ITEM_BYTES {
        return Some(corrupt(Corruption::TooLarge));
    }
    let members = item.into_iter().map(|(name, attribute)| Some((name, value(attribute)?)));
    Some(match members.collect::<Option<Map<_, _>>>() {
        Some(members) => Versioned::new(Body::from(members), version),
        None => corrupt(Corruption::Unreadable),
    })
}

/// Returns the id of the write that made the item. `None` if funcify did not write it.
pub(crate) fn write_id(item: &Item) -> Option<WriteId> {
    item.get(WRITE_ID)?.as_s().ok()?.parse::<WriteId>().ok()
}

fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(*flag),
        Value::Number(number) if keeps_its_text(number) => AttributeValue::N(number.to_string()),
        Value::Number(number) => AttributeValue::Ss(vec![number.to_string()]),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(values) => AttributeValue::L(values.iter().map(attribute).collect()),
        Value::Object(members) => AttributeValue::M(
            members.iter().map(|(name, value)| (name.clone(), attribute(value))).collect(),
        ),
    }
}

/// Whether DynamoDB returns the number exactly as it was written. It keeps 38 digits and the range 1e-130
/// to 1e126 ("Number" in the data types of DynamoDB). It returns `1.0` as `1`, which is another number in
/// JSON.
fn keeps_its_text(number: &Number) -> bool {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            float.fract() != 0.0 && (1e-130..1e126).contains(&float.abs())
        }
        _ => true,
    }
}

fn value(attribute: AttributeValue) -> Option<Value> {
    match attribute {
        AttributeValue::Null(_) => Some(Value::Null),
        AttributeValue::Bool(flag) => Some(Value::Bool(flag)),
        AttributeValue::N(text) => number(&text),
        AttributeValue::Ss(texts) => match texts.as_slice() {
            [text] => number(text),
            _ => None,
        },
        AttributeValue::S(text) => Some(Value::String(text)),
        AttributeValue::L(values) => {
            values.into_iter().map(value).collect::<Option<_>>().map(Value::Array)
        }
        AttributeValue::M(members) => {
            let members = members.into_iter().map(|(name, member)| Some((name, value(member)?)));
            members.collect::<Option<_>>().map(Value::Object)
        }
        _ => None,
    }
}

/// Parses a number with the standard library, which rounds a float correctly whatever features
/// `serde_json` has.
fn number(text: &str) -> Option<Value> {
    let whole =
        || text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from));
    whole().ok().or_else(|| Number::from_f64(text.parse().ok()?)).map(Value::Number)
}

/// Returns the size of a value as DynamoDB counts it, rounded up ("Item sizes and formats" in the guide of
/// DynamoDB).
fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Number(_) => 21,
        Value::String(text) => text.len(),
        Value::Array(values) => {
            values.iter().map(|value| 1 + size_of_value(value)).sum::<usize>() + 3
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| 1 + name.len() + size_of_value(value)).sum::<usize>()
                + 3
        }
    }
}

/// Returns the size of an attribute that was read, at most as large as DynamoDB counts it.
fn size_of_attribute(attribute: &AttributeValue) -> usize {
    match attribute {
        AttributeValue::S(text) => text.len(),
        // DynamoDB stores two digits in a byte.
        AttributeValue::N(text) => text.len().div_ceil(2),
        AttributeValue::L(values) => values.iter().map(|value| 1 + size_of_attribute(value)).sum(),
        AttributeValue::M(members) => {
            members.iter().map(|(name, value)| 1 + name.len() + size_of_attribute(value)).sum()
        }
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{
        Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest,
    };
    use serde_json::json;

    use super::*;
    use crate::table_key::SortKey;

    const ID: WriteId = WriteId::from_bits(7);

    fn plain() -> TableKey {
        TableKey { partition: "pk".to_owned(), sort: None }
    }

    #[test]
    fn the_key_attributes_have_the_names_of_the_table() {
        let sort = Some(SortKey { name: "SK".to_owned(), value: "funcify".to_owned() });
        let key = TableKey { partition: "PK".to_owned(), sort };
        let record = body(json!({"pk": "a member"}));
        let item = encode(&key, "k".to_owned(), ID, 0, &record).unwrap();
        assert_eq!(item["PK"], AttributeValue::S("k".to_owned()));
        assert_eq!(item["SK"], AttributeValue::S("funcify".to_owned()));
        assert_eq!(decode(&key, item), Some(Versioned::new(record, Version::from(ID))));
        for name in ["PK", "SK", "write_id", "ttl"] {
            let refused = encode(&key, "k".to_owned(), ID, 0, &body(json!({ name: 1 })));
            assert!(refused.unwrap_err().to_string().contains(name));
        }
    }

    fn body(value: Value) -> Body {
        let Value::Object(members) = value else { panic!("not an object") };
        Body::from(members)
    }

    #[test]
    fn each_member_of_a_record_is_an_attribute() {
        let record = body(json!({
            "state": "open", "epoch": 3, "open_until": 1_700_000_000_000_i64, "rate": 0.25,
            "failures": [[1, "a"], [2, "b"]], "override": {"mode": "disabled"}, "none": null, "ok": true
        }));
        let item = encode(&plain(), "funcify:circuit:auth0".to_owned(), ID, 1_700_000_100, &record)
            .unwrap();
        let number = |text: &str| AttributeValue::N(text.to_owned());
        let text = |text: &str| AttributeValue::S(text.to_owned());
        assert_eq!(item["pk"], text("funcify:circuit:auth0"));
        assert_eq!(item["write_id"], text("00000000000000000000000000000007"));
        assert_eq!(item["ttl"], number("1700000100"));
        assert_eq!(item["state"], text("open"));
        assert_eq!(item["epoch"], number("3"));
        assert_eq!(item["open_until"], number("1700000000000"));
        assert_eq!(item["rate"], number("0.25"));
        let failure = |at, by| AttributeValue::L(vec![number(at), text(by)]);
        assert_eq!(item["failures"], AttributeValue::L(vec![failure("1", "a"), failure("2", "b")]));
        assert_eq!(item["none"], AttributeValue::Null(true));
        assert_eq!(item["ok"], AttributeValue::Bool(true));
        assert_eq!(decode(&plain(), item), Some(Versioned::new(record, Version::from(ID))));
    }

    #[test]
    fn a_number_that_dynamodb_would_change_is_stored_as_text() {
        for number in [json!(1.0), json!(-0.0), json!(1e300), json!(5e-324), json!(1e20)] {
            let AttributeValue::Ss(texts) = attribute(&number) else { panic!("{number}") };
            assert_eq!(texts, [number.to_string()]);
        }
        for number in [json!(0), json!(u64::MAX), json!(i64::MIN), json!(0.1), json!(-1.5e-7)] {
            assert_eq!(attribute(&number), AttributeValue::N(number.to_string()));
        }
    }

    #[test]
    fn an_item_without_a_valid_write_id_is_foreign() {
        let foreign = [
            vec![],
            vec![("write_id", AttributeValue::S("not ours".to_owned()))],
            vec![("write_id", AttributeValue::N("7".to_owned()))],
            vec![("write_id", AttributeValue::S("A".repeat(32)))],
        ];
        for attributes in foreign {
            let mut item = Item::from([("pk".to_owned(), AttributeValue::S("k".to_owned()))]);
            item.extend(attributes.into_iter().map(|(name, value)| (name.to_owned(), value)));
            assert_eq!(decode(&plain(), item), None);
        }
    }

    #[test]
    fn a_record_with_an_unreadable_attribute_is_corrupt_and_keeps_its_version() {
        let strange = [
            AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new("bytes")),
            AttributeValue::Ns(vec!["1".to_owned()]),
            AttributeValue::Ss(vec!["1".to_owned(), "2".to_owned()]),
            AttributeValue::Ss(vec!["one".to_owned()]),
            AttributeValue::N("NaN".to_owned()),
            AttributeValue::L(vec![AttributeValue::Bs(vec![])]),
        ];
        for attribute in strange {
            let mut item =
                encode(&plain(), "k".to_owned(), ID, 0, &body(json!({"state": "open"}))).unwrap();
            item.insert("epoch".to_owned(), attribute);
            let read = decode(&plain(), item).unwrap();
            assert_eq!(read.version, Version::from(ID));
            assert_eq!(
                (read.value, read.corruption),
                (Body::default(), Some(Corruption::Unreadable))
            );
        }
    }

    #[test]
    fn a_member_with_a_reserved_name_is_refused() {
        for name in ["pk", "write_id", "ttl"] {
            let refused =
                encode(&plain(), "k".to_owned(), ID, 0, &body(json!({ name: 1 }))).unwrap_err();
            assert!(refused.to_string().contains(name), "{refused}");
        }
    }

    #[test]
    fn a_record_larger_than_an_item_is_refused() {
        let token = "t".repeat(MAX_ITEM_BYTES);
        let refused =
            encode(&plain(), "k".to_owned(), ID, 0, &body(json!({ "token": token }))).unwrap_err();
        assert!(refused.to_string().contains("409600"), "{refused}");
    }

    #[test]
    fn an_item_that_is_larger_than_an_item_can_be_is_corrupt_and_keeps_its_version() {
        let mut item =
            encode(&plain(), "k".to_owned(), ID, 0, &body(json!({"state": "open"}))).unwrap();
        let list = vec![AttributeValue::S("x".repeat(1_000)); 10_000];
        item.insert("failures".to_owned(), AttributeValue::L(list));
        let read = decode(&plain(), item).unwrap();
        assert_eq!(read.version, Version::from(ID));
        assert_eq!((read.value, read.corruption), (Body::default(), Some(Corruption::TooLarge)));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i32>().prop_map(|whole| Value::from(f64::from(whole))),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let name = any::<String>();
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
            members in proptest::collection::btree_map("[a-z]{5,9}", any_value(), 0..6),
            id in any::<u128>(),
        ) {
            let id = WriteId::from_bits(id);
            let record = Body::from(members.into_iter().collect::<Map<_, _>>());
            let item = encode(&plain(), "k".to_owned(), id, 0, &record).unwrap();
            prop_assert_eq!(decode(&plain(), item), Some(Versioned::new(record, Version::from(id))));
        }
    }
}
