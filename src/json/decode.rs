//! Decodes typed records from valid JSON, without a second check of its syntax.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor,
        value::{BorrowedStrDeserializer, CowStrDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, de::StrRead};

use crate::json::scan::{Scan, ScanError};

/// Decodes the records of an array. `keep` gets each record with its JSON text.
///
/// # Errors
///
/// If a record is malformed. The error has no position. `serde_json` finds the position in the same text.
pub(crate) fn records<'de, T: Deserialize<'de>, R>(
    array: &'de str,
    keep: impl Fn(T, &'de str) -> R,
) -> Result<Vec<R>, Error> {
    // S3 and SNS nearly always send one record, and an empty vector would grow to room for four.
    let mut records = Vec::with_capacity(1);
    Scan::new(array).each_of_list(|scan| {
        let start = scan.start();
        let record = T::deserialize(ScanDeserializer(scan))?;
        records.push(keep(record, scan.since(start).ok_or_else(malformed)?));
        Ok::<(), Error>(())
    })?;
    Ok(records)
}

impl From<ScanError> for Error {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::NotAnObject => Self::custom("expected an object"),
            ScanError::NotAList => Self::custom("expected a list"),
            ScanError::Repeated(name) => Self::custom(format_args!("two members `{name}`")),
        }
    }
}

fn malformed() -> Error {
    Error::custom("expected JSON")
}

/// Decodes the value that comes next. The scan decodes objects, and strings without escape sequences.
/// `serde_json` decodes everything else.
struct ScanDeserializer<'s, 'de>(&'s mut Scan<'de>);

impl<'de> ScanDeserializer<'_, 'de> {
    fn by_serde_json<T>(
        self,
        read: impl FnOnce(&mut serde_json::Deserializer<StrRead<'de>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut deserializer = serde_json::Deserializer::from_str(self.0.rest());
        let value = read(&mut deserializer)?;
        self.0.skip(deserializer.into_iter::<IgnoredAny>().byte_offset());
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for ScanDeserializer<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.by_serde_json(|json| json.deserialize_any(visitor))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.plain_string() {
            Some(text) => visitor.visit_borrowed_str(text),
            None => self.by_serde_json(|json| json.deserialize_str(visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.0.is_at(b'n') {
            return visitor.visit_some(self);
        }
        self.0.value().ok_or_else(malformed)?;
        visitor.visit_none()
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if !self.0.take(b'{') {
            return self.by_serde_json(|json| json.deserialize_map(visitor));
        }
        visitor.visit_map(Members { scan: self.0, is_first: true })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !self.0.is_at(b'{') {
            return self.by_serde_json(|json| json.deserialize_struct(name, fields, visitor));
        }
        self.deserialize_map(visitor)
    }

    /// `serde_json` treats a `RawValue` as a newtype struct.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.by_serde_json(|json| json.deserialize_newtype_struct(name, visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.value().ok_or_else(malformed)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct enum identifier
    }
}

struct Members<'s, 'de> {
    scan: &'s mut Scan<'de>,
    is_first: bool,
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let is_first = std::mem::take(&mut self.is_first);
        if is_first || !self.scan.take(b',') {
            if self.scan.take(b'}') {
                return Ok(None);
            }
            if !is_first {
                return Err(malformed());
            }
        }
        let name = self.scan.name().ok_or_else(malformed)?;
        let name = match name {
            Cow::Borrowed(name) => seed.deserialize(BorrowedStrDeserializer::new(name)),
            Cow::Owned(_) => seed.deserialize(CowStrDeserializer::new(name)),
        };
        name.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(ScanDeserializer(self.scan))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, value::RawValue};

    use super::*;
    use crate::json::text::Text;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "compared by their debug form")]
    struct Record<'a> {
        name: String,
        #[serde(borrow, default)]
        text: Text<'a>,
        #[serde(default)]
        map: BTreeMap<String, String>,
        list: Option<Vec<u8>>,
        number: Option<f64>,
        size: Option<u64>,
        flag: Option<bool>,
        #[serde(borrow)]
        raw: Option<&'a RawValue>,
        inner: Option<Box<Record<'a>>>,
    }

    #[test]
    fn records_decode_as_serde_json_decodes_them() {
        for array in [
            "[]",
            r#"[{"name":"a"}]"#,
            r#"[{"name":"a\n\u00fc","text":"b\\","map":{"k\"":"v","l":"\/"},"other":[{"}":"]"}]},{"name":""}]"#,
            r#"[{"text":"ü","na\u006de":"a","list":[1,2],"number":-1.5e3,"size":18446744073709551615}]"#,
            r#"[{"name":"a","number":1,"flag":true,"raw":{"a":[1,"]"]},"inner":{"name":"b","raw":[]}}]"#,
            r#"[{"name":"a","list":null,"number":null,"size":null,"flag":null,"raw":null,"inner":null}]"#,
        ] {
            let pretty = serde_json::from_str::<Value>(array).unwrap();
            let pretty = serde_json::to_string_pretty(&pretty).unwrap();
            for array in [array, &pretty] {
                let expected: Vec<Record<'_>> = serde_json::from_str(array).unwrap();
                let read = records(array, |record: Record<'_>, text| (record, text)).unwrap();
                let (read, texts): (Vec<_>, Vec<_>) = read.into_iter().unzip();
                let raw: Vec<&RawValue> = serde_json::from_str(array).unwrap();
                assert_eq!(texts, raw.into_iter().map(RawValue::get).collect::<Vec<_>>());
                assert_eq!(format!("{read:?}"), format!("{expected:?}"), "{array}");
            }
        }
    }

    #[test]
    fn records_that_serde_json_refuses_are_refused() {
        for array in [
            "{}",
            "null",
            "[1]",
            "[[]]",
            r#"[{"name":"a"},null]"#,
            r#"[{}]"#,
            r#"[{"name":null}]"#,
            r#"[{"name":1}]"#,
            r#"[{"name":"\ud800"}]"#,
            r#"[{"name":"a","name":"a"}]"#,
            r#"[{"name":"a","size":-1}]"#,
            r#"[{"name":"a","number":"1"}]"#,
            r#"[{"name":"a","inner":[]}]"#,
            r#"[{"name":"a","map":{"k":1}}]"#,
        ] {
            assert!(serde_json::from_str::<Vec<Record<'_>>>(array).is_err(), "{array}");
            assert!(records(array, |record: Record<'_>, _| record).is_err(), "{array}");
        }
    }
}
