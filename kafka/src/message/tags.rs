//! Tagged fields that this code has no name for.

use bytes::Bytes;

/// The tagged fields of a struct that a newer Kafka knows and this code does not: kept, and written back in order of tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnknownTags(Vec<(u32, Bytes)>);

impl UnknownTags {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tags and payloads, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Bytes)> {
        self.0.iter().map(|(tag, payload)| (*tag, payload))
    }

    /// Adds one.
    pub fn push(&mut self, tag: u32, payload: Bytes) {
        self.0.push((tag, payload));
    }

    /// These merged with `known` fields, in ascending order of tags; a known field takes the place of an unknown one of its tag.
    pub(crate) fn merged_with(&self, mut known: Vec<(u32, Bytes)>) -> Vec<(u32, Bytes)> {
        for (tag, payload) in &self.0 {
            if known.iter().all(|(other, _)| other != tag) {
                known.push((*tag, payload.clone()));
            }
        }
        known.sort_by_key(|(tag, _)| *tag);
        known
    }
}

impl FromIterator<(u32, Bytes)> for UnknownTags {
    fn from_iter<I: IntoIterator<Item = (u32, Bytes)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}
