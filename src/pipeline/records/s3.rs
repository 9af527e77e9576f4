use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value, json, value::RawValue};

use crate::json::text::Text;
use crate::pipeline::records::handler::FromRecord;
use crate::pipeline::records::idempotent::Redelivered;
use crate::pipeline::records::raw_json::RawJson;
use crate::pipeline::records::record::{Record, resource};
use crate::pipeline::records::text::RecordText;
use crate::problem::Problem;

/// An object in an S3 notification. See [`PipelineBuilder::s3`](crate::pipeline::PipelineBuilder::s3) for an
/// example.
#[derive(Clone)]
#[non_exhaustive]
pub struct S3Object {
    /// What happened to the object: `ObjectCreated:Put` and others. In an event of EventBridge, this is the
    /// detail type: `Object Created` and others.
    pub event_name: String,
    /// The name of the bucket.
    pub bucket: String,
    /// The key of the object, decoded. This is the key that the S3 API takes.
    ///
    /// A key is a name and not a path. Do not join it to a path of a file system, because it may contain
    /// `..`.
    pub key: String,
    /// The key as it is in the event.
    pub raw_key: String,
    /// The size in bytes. `None` if the object was removed.
    pub size: Option<u64>,
    /// The entity tag. `None` if the object was removed.
    pub e_tag: Option<String>,
    /// The version of the object, if the bucket keeps versions.
    pub version_id: Option<String>,
    /// A hexadecimal text that orders the events of one key. To compare two, pad the shorter one with zeros
    /// on the right, then compare them as text.
    pub sequencer: Option<String>,
    /// When it happened, in ISO 8601: `2024-05-01T12:00:00.000Z`.
    pub event_time: Option<String>,
    /// The ARN of the bucket.
    pub bucket_arn: String,
    /// Why it happened: `PutObject`, `Lifecycle Expiration` and others. Only an event of EventBridge has a
    /// reason.
    pub reason: Option<String>,
    /// Data about the restoration from an archive, as JSON, if the object was restored.
    pub glacier_event_data: Option<Box<RawValue>>,
    /// Data about the transition to another storage class, as JSON, if a lifecycle rule of the bucket caused
    /// it.
    pub lifecycle_event_data: Option<Box<RawValue>>,
    text: RecordText,
}

impl RawJson for S3Object {
    fn raw(&self) -> &str {
        self.text.as_str()
    }
}

/// Leaves out the JSON.
impl fmt::Debug for S3Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Object")
            .field("event_name", &self.event_name)
            .field("bucket", &self.bucket)
            .field("key", &self.key)
            .field("size", &self.size)
            .field("version_id", &self.version_id)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    event_name: String,
    event_time: Option<String>,
    #[serde(borrow)]
    s3: Entity<'a>,
    glacier_event_data: Option<Box<RawValue>>,
    lifecycle_event_data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Entity<'a> {
    bucket: Bucket,
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
    arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    size: Option<u64>,
    e_tag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

impl<'de> Deserialize<'de> for S3Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let Wire { event_name, event_time, s3, glacier_event_data, lifecycle_event_data } = wire;
        let Entity { bucket, object } = s3;
        let key = decode(&object.key).ok_or_else(|| D::Error::custom("expected a key of UTF-8"))?;
        let bucket_arn = bucket.arn.unwrap_or_else(|| arn_of(&bucket.name));
        Ok(Self {
            event_name,
            bucket: bucket.name,
            key,
            raw_key: object.key.0.into_owned(),
            size: object.size,
            e_tag: object.e_tag,
            version_id: object.version_id,
            sequencer: object.sequencer,
            event_time,
            bucket_arn,
            reason: None,
            glacier_event_data,
            lifecycle_event_data,
            text: RecordText::default(),
        })
    }
}

fn arn_of(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

/// Decodes a key. S3 encodes keys like an HTML form: a space is `+`, other characters are `%XX`.
fn decode(raw: &str) -> Option<String> {
    let mut key = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'%' | b'+'))
        && let (before, [mark, behind @ ..]) = rest.split_at(at)
    {
        key.extend_from_slice(before);
        let escaped = match behind {
            [high, low, behind @ ..] if *mark == b'%' => byte(*high, *low).zip(Some(behind)),
            _ => None,
        };
        let plain = if *mark == b'+' { b' ' } else { *mark };
        let (byte, behind) = escaped.unwrap_or((plain, behind));
        key.push(byte);
        rest = behind;
    }
    key.extend_from_slice(rest);
    String::from_utf8(key).ok()
}

/// The byte of two hexadecimal digits.
fn byte(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// An S3 event of EventBridge.
#[derive(Deserialize)]
struct BusEvent {
    #[serde(rename = "detail-type")]
    detail_type: String,
    time: Option<String>,
    detail: Detail,
}

/// The detail of the event. Unlike in a notification of S3, the key is not encoded.
#[derive(Deserialize)]
struct Detail {
    bucket: DetailBucket,
    object: DetailObject,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct DetailBucket {
    name: String,
}

#[derive(Deserialize)]
struct DetailObject {
    key: String,
    size: Option<u64>,
    etag: Option<String>,
    #[serde(rename = "version-id")]
    version_id: Option<String>,
    sequencer: Option<String>,
}

impl From<BusEvent> for S3Object {
    fn from(BusEvent { detail_type, time, detail }: BusEvent) -> Self {
        let Detail { bucket, object, reason } = detail;
        Self {
            event_name: detail_type,
            bucket_arn: arn_of(&bucket.name),
            bucket: bucket.name,
            raw_key: object.key.clone(),
            key: object.key,
            size: object.size,
            e_tag: object.etag,
            version_id: object.version_id,
            sequencer: object.sequencer,
            event_time: time,
            reason,
            glacier_event_data: None,
            lifecycle_event_data: None,
            text: RecordText::default(),
        }
    }
}

/// The objects of an S3 notification that came in an envelope. The list is empty for S3's test event.
pub(super) fn objects_of_notification(text: &Arc<str>) -> Result<Vec<S3Object>, Problem> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Notification {
        Records {
            #[serde(rename = "Records")]
            records: Vec<S3Object>,
        },
        Event(BusEvent),
        Test {
            #[serde(rename = "Event")]
            event: String,
        },
    }
    let expected = || Problem::bad_request("expected a notification of S3");
    match serde_json::from_str(text).map_err(|error| expected().caused_by(&error))? {
        Notification::Records { records } => Ok(with_texts(records, text)),
        Notification::Event(event) => {
            let mut object = S3Object::from(event);
            object.text = RecordText::in_envelope(text, text);
            Ok(vec![object])
        }
        Notification::Test { event } if event == "s3:TestEvent" => Ok(Vec::new()),
        Notification::Test { .. } => Err(expected()),
    }
}

/// Gives each record its part of the notification.
fn with_texts(mut objects: Vec<S3Object>, text: &Arc<str>) -> Vec<S3Object> {
    #[derive(Deserialize)]
    struct Texts<'a> {
        #[serde(borrow, rename = "Records")]
        records: Vec<&'a RawValue>,
    }
    if let Ok(texts) = serde_json::from_str::<Texts<'_>>(text) {
        for (object, part) in objects.iter_mut().zip(texts.records) {
            object.text = RecordText::in_envelope(text, part.get());
        }
    }
    objects
}

impl Record for S3Object {
    const ROUTE: &'static str = "s3";

    fn keep(&mut self, text: RecordText) {
        self.text = text;
    }

    /// The whole name of the bucket, because anyone may own another bucket whose name begins with it.
    fn name(&self) -> &str {
        &self.bucket
    }

    /// Empty if the ARN is not that of the bucket by which the object is routed.
    fn arn(&self) -> &str {
        if resource(&self.bucket_arn) == self.bucket { &self.bucket_arn } else { "" }
    }
}

impl Redelivered for S3Object {
    /// Two events of one key have different sequencers. Events without a sequencer have only a time.
    fn own_id(&self) -> Vec<&str> {
        let event = self.sequencer.as_ref().or(self.event_time.as_ref());
        let version = self.version_id.as_deref();
        let parts = [Self::ROUTE, &self.event_name, &self.bucket, &self.raw_key];
        parts.into_iter().chain(event.map(String::as_str)).chain(version).collect()
    }

    fn content(&self) -> Value {
        json!([self.event_name, self.bucket, self.raw_key, self.version_id, self.e_tag, self.size])
    }
}

impl FromRecord<Self> for S3Object {
    fn from_record(record: Self) -> Result<Self, Problem> {
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_restore_or_a_lifecycle_rule_adds_is_kept() {
        let of = |more: &str| -> S3Object {
            let s3 = r#""s3":{"bucket":{"name":"b"},"object":{"key":"k"}}"#;
            serde_json::from_str(&format!(r#"{{"eventName":"e",{s3}{more}}}"#)).unwrap()
        };
        let text = |json: Option<Box<RawValue>>| json.map(|json| json.get().to_owned());
        let restore = r#"{"restoreEventData":{"lifecycleRestoreStorageClass":"GLACIER"}}"#;
        let restored = of(&format!(r#","glacierEventData":{restore}"#));
        assert_eq!(text(restored.glacier_event_data).as_deref(), Some(restore));
        let transition = r#"{"transitionEventData":{"destinationStorageClass":"GLACIER"}}"#;
        let moved = of(&format!(r#","lifecycleEventData":{transition}"#));
        assert_eq!(text(moved.lifecycle_event_data).as_deref(), Some(transition));
        let plain = of("");
        assert!(plain.glacier_event_data.is_none() && plain.lifecycle_event_data.is_none());
    }

    #[test]
    fn a_key_is_decoded_once() {
        for (raw, key) in [
            ("plain.txt", "plain.txt"),
            ("a+b.txt", "a b.txt"),
            ("a%2Bb.txt", "a+b.txt"),
            ("a%20b", "a b"),
            ("in/gr%C3%BC%C3%9Fe.csv", "in/grüße.csv"),
            ("a%2520b", "a%20b"),
            ("100%25", "100%"),
            ("../..%2Fetc/passwd", "../../etc/passwd"),
            ("100%+4%4+%4", "100% 4%4 %4"),
            ("%g1%1g%2", "%g1%1g%2"),
        ] {
            assert_eq!(decode(raw).as_deref(), Some(key), "{raw}");
        }
        assert_eq!(decode("%ff"), None);
    }
}
