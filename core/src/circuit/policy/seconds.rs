//! Durations as seconds, the form in which people write them in JSON or TOML.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(in crate::circuit) fn serialize<S: Serializer>(
    duration: &Duration,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

pub(in crate::circuit) fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(D::Error::custom)
}
