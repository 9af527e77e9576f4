//! The Redis hash of a record, and the commands that read and swap it.

use std::{sync::LazyLock, time::Duration};

use funcify_core::{
    engine::MAX_RECORD_BYTES,
    register::{Body, Corruption, RecordKey, Swap, Version, Versioned, WriteId},
};
use redis::{Cmd, Script, Value};

use crate::error::Failure;

const TEXT: &str = include_str!("record.lua");

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

/// The shortest expiry, 1 s, because an expiry of zero would delete the record.
const MIN_KEEP: Duration = Duration::from_secs(1);

/// The longest expiry, about ten years. Redis stores an expiry as milliseconds in an `i64`, which must not
/// overflow.
const MAX_KEEP: Duration = Duration::from_secs(86_400 * 3_660);

/// Returns the key in Redis, such as `funcify:circuit:auth0`.
pub(crate) fn key_of(prefix: &str, key: &RecordKey) -> String {
    [prefix, key.kind.as_ref(), key.name.as_ref()].join(":")
}

/// How a command names the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// By its SHA-1 hash. The server may not know it.
    Hash,
    /// By its text. The server then knows its hash.
    Text,
}

impl Named {
    /// Builds the command that runs the script on `key`, with room for `size` bytes of further arguments.
    fn command(self, key: &str, size: usize) -> Cmd {
        let (name, script) = match self {
            Self::Hash => ("EVALSHA", SCRIPT.get_hash()),
            Self::Text => ("EVAL", TEXT),
        };
        // A buffer that grows leaves copies of the record in memory.
        let mut command = Cmd::with_capacity(9, name.len() + script.len() + key.len() + size + 16);
        command.arg(name).arg(script).arg(1).arg(key).arg(MAX_RECORD_BYTES);
        command
    }
}

/// Builds the command that reads the record in one round trip, whatever its size.
pub(crate) fn plain_read(key: &str) -> Cmd {
    let mut command = redis::cmd("HMGET");
    command.arg(key).arg("id").arg("rec");
    command
}

/// Builds the command that reads the record in one round trip, or only its size if it is too large.
pub(crate) fn read(key: &str, named: Named) -> Cmd {
    named.command(key, 0)
}

/// The arguments of a swap.
#[derive(Debug)]
pub(crate) struct SwapCommand<'a> {
    pub(crate) key: &'a str,
    pub(crate) expected: Option<Version>,
    pub(crate) id: WriteId,
    pub(crate) record: &'a str,
    pub(crate) keep_for: Duration,
}

impl SwapCommand<'_> {
    pub(crate) fn command(&self, named: Named) -> Cmd {
        let expected =
            self.expected.map(|version| WriteId::from(version).to_string()).unwrap_or_default();
        let keep = self.keep_for.clamp(MIN_KEEP, MAX_KEEP).as_millis();
        let keep = u64::try_from(keep).unwrap_or(u64::MAX);
        // Two write ids take 32 bytes each, and the expiry up to 20.
        let mut command = named.command(self.key, self.record.len() + 96);
        // The record comes last. If an error of the server quotes the arguments of a command, it quotes
        // only the first ones.
        command.arg(expected).arg(self.id.to_string()).arg(keep).arg(self.record);
        command
    }
}

/// Decodes the response to a read.
pub(crate) fn decode_read(response: &Value) -> Result<Option<Versioned<Body>>, Failure> {
    let fields = match response {
        Value::Nil => return Ok(None),
        Value::Array(fields) => fields,
        _ => return Err(Failure::Malformed),
    };
    let [id, rec] = fields.as_slice() else { return Err(Failure::Malformed) };
    Ok(record(id, rec))
}

/// Decodes the response to the swap `id`.
pub(crate) fn decode_swap(response: &Value, id: WriteId) -> Result<Swap<Body>, Failure> {
    match response {
        Value::Int(1) => Ok(Swap::Applied(Version::from(id))),
        current => decode_read(current).map(Swap::Conflict),
    }
}

/// Decodes a record. As in the script, there is no record without a valid write id.
fn record(id: &Value, rec: &Value) -> Option<Versioned<Body>> {
    let version = Version::from(text(id)?.parse::<WriteId>().ok()?);
    let body = match rec {
        // The server sent the size instead of a record that is too large.
        Value::Int(_) => Err(Corruption::TooLarge),
        rec => text(rec).map_or(Err(Corruption::NotAnObject), str::parse),
    };
    Some(match body {
        Ok(body) => Versioned::new(body, version),
        Err(corruption) => {
            Versioned { value: Body::default(), version, corruption: Some(corruption) }
        }
    })
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "000102030405060708090a0b0c0d0e0f";

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn parts(command: &Cmd) -> Vec<String> {
        let packed = String::from_utf8(command.get_packed_command()).unwrap();
        packed
            .split("\r\n")
            .filter(|part| !part.starts_with(['*', '$']))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_swap_is_one_command_on_one_key_with_the_record_last() {
        let swap = SwapCommand {
            key: "funcify:circuit:auth0",
            expected: Some(Version::from(WriteId::from_bits(1))),
            id: WriteId::from_bits(2),
            record: r#"{"state":"open"}"#,
            keep_for: Duration::from_secs(60),
        };
        let [one, two] = [1, 2].map(|bits| WriteId::from_bits(bits).to_string());
        let arguments = ["1", swap.key, "409600", &one, &two, "60000", r#"{"state":"open"}"#, ""];
        let [by_hash, by_text] =
            [Named::Hash, Named::Text].map(|named| parts(&swap.command(named)));
        assert_eq!(by_hash[..2], ["EVALSHA", SCRIPT.get_hash()]);
        assert_eq!(by_hash[2..], arguments);
        assert_eq!(by_text[0], "EVAL");
        assert!(by_text.ends_with(&arguments.map(str::to_owned)));
    }

    #[test]
    fn a_read_is_one_command_that_names_the_limit() {
        let read = parts(&read("funcify:circuit:auth0", Named::Hash));
        let expected = ["EVALSHA", SCRIPT.get_hash(), "1", "funcify:circuit:auth0", "409600", ""];
        assert_eq!(read, expected);
    }

    #[test]
    fn every_duration_is_kept_within_the_limits_of_an_expiry() {
        for (keep_for, expected) in
            [(Duration::ZERO, "1000"), (Duration::MAX, "316224000000"), (MIN_KEEP * 2, "2000")]
        {
            let id = WriteId::from_bits(2);
            let swap = SwapCommand { key: "k", expected: None, id, record: "{}", keep_for };
            assert_eq!(parts(&swap.command(Named::Hash))[7], expected);
            assert_eq!(parts(&swap.command(Named::Hash))[5], "", "nothing expected");
        }
    }

    #[test]
    fn a_hash_is_decoded_to_its_record() {
        let response = Value::Array(vec![bulk(ID), bulk(r#"{"a":1}"#)]);
        let read = decode_read(&response).unwrap().unwrap();
        assert_eq!(read.value, r#"{"a":1}"#.parse::<Body>().unwrap());
        assert_eq!(read.version, Version::from(ID.parse::<WriteId>().unwrap()));
        let other = WriteId::from_bits(7);
        assert_eq!(decode_swap(&response, other).unwrap(), Swap::Conflict(Some(read)));
        assert_eq!(decode_swap(&Value::Nil, other).unwrap(), Swap::Conflict(None));
        assert_eq!(decode_read(&Value::Nil).unwrap(), None);
        assert_eq!(
            decode_swap(&Value::Int(1), other).unwrap(),
            Swap::Applied(Version::from(other))
        );
    }

    #[test]
    fn a_corrupt_record_is_empty_and_keeps_its_version() {
        let broken = Value::BulkString(vec![b'{', 0xff, b'}']);
        let corrupt = [Value::Nil, bulk(""), bulk("[]"), bulk("{"), broken];
        let corrupt = corrupt.map(|rec| (rec, Corruption::NotAnObject));
        let large = [bulk(&" ".repeat(MAX_RECORD_BYTES + 1)), Value::Int(10_000_000)];
        let large = large.map(|rec| (rec, Corruption::TooLarge));
        for (rec, corruption) in corrupt.into_iter().chain(large) {
            let read = decode_read(&Value::Array(vec![bulk(ID), rec])).unwrap().unwrap();
            assert_eq!((read.value, read.corruption), (Body::default(), Some(corruption)));
            assert_eq!(WriteId::from(read.version).to_string(), ID);
        }
    }

    #[test]
    fn a_hash_without_a_valid_write_id_reads_as_absent() {
        for id in [Value::Nil, bulk(""), bulk("7"), bulk(&ID.to_uppercase()), Value::Int(7)] {
            assert_eq!(decode_read(&Value::Array(vec![id, bulk("{}")])).unwrap(), None);
        }
    }

    #[test]
    fn a_response_of_another_form_is_malformed() {
        for odd in [Value::Int(2), Value::Okay, Value::Array(vec![]), bulk("1")] {
            assert!(matches!(decode_swap(&odd, WriteId::from_bits(1)), Err(Failure::Malformed)));
            assert!(matches!(decode_read(&odd), Err(Failure::Malformed)));
        }
    }
}
