use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::chance;

/// The tag of one instance of the fleet, by which a record tells instances apart.
///
/// A tag has at most eight of the characters `A-Z a-z 0-9 _ . -`, so that a full record stays small. Of a
/// longer text the end is kept, because the end of a log stream's name is random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance([u8; 8]);

impl Instance {
    /// Creates a tag of the last eight legal characters of `tag`, or a random one if there are none.
    pub fn new(tag: impl AsRef<str>) -> Self {
        Self::from_tag(tag.as_ref()).unwrap_or_else(Self::random)
    }

    /// Creates a random tag. Every breaker has one unless it gets another.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 4];
        chance::fill(&mut bytes);
        let digits = format!("{:08x}", u32::from_ne_bytes(bytes));
        Self::from_tag(&digits).unwrap_or(Self(*b"instance"))
    }

    /// Returns the tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }

    fn from_tag(tag: &str) -> Option<Self> {
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        let count = tag.bytes().filter(legal).count();
        let mut bytes = [0; 8];
        let kept = tag.bytes().filter(legal).skip(count.saturating_sub(8));
        for (place, byte) in bytes.iter_mut().zip(kept) {
            *place = byte;
        }
        (count > 0).then_some(Self(bytes))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl Serialize for Instance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Instance {
    /// Accepts any text, so that an unknown form of a tag does not make the record corrupt.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tag = String::deserialize(deserializer)?;
        Ok(Self::from_tag(&tag).unwrap_or(Self(*b"unknown\0")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_tag_is_kept_and_random_tags_differ() {
        let tag = Instance::new("2026/11/22/[$LATEST]7d1f0a3c9be2");
        assert_eq!(tag.as_str(), "0a3c9be2");
        assert_ne!(Instance::random(), Instance::random());
        assert_ne!(Instance::new("$$"), Instance::new("$$"), "no legal character");
    }
}
