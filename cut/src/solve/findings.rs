//! What an operator should know, and the level that it leaves.

use std::collections::BTreeMap;
use std::fmt;

use maxbrod_kafka::Offset;

use super::ids::name;
use crate::capture::{CapturedPartition, PartitionKey};
use crate::cuts::{Level, Note};

/// What was found so far.
#[derive(Debug)]
pub(super) struct Findings {
    level: Level,
    notes: Vec<Note>,
    unreadable: BTreeMap<PartitionKey, Unreadable>,
}

/// Records of one partition that could not be read.
#[derive(Debug)]
struct Unreadable {
    name: String,
    offset: Offset,
    error: String,
    more: usize,
}

impl Findings {
    pub(super) fn new() -> Self {
        Self {
            level: Level::Transactional,
            notes: Vec::new(),
            unreadable: BTreeMap::new(),
        }
    }

    /// Adds a sentence that leaves at most this level.
    pub(super) fn add(&mut self, level: Level, partition: Option<PartitionKey>, text: String) {
        self.level = self.level.min(level);
        self.notes.push(Note { partition, text });
    }

    /// Adds a sentence about a partition.
    pub(super) fn about(&mut self, level: Level, partition: &CapturedPartition, text: impl fmt::Display) {
        let name = name(&partition.topic, partition.key.partition);
        self.add(level, Some(partition.key), format!("{name}: {text}"));
    }

    /// A record of a coordinator's partition is garbage, or of a version that is not known.
    pub(super) fn unreadable_record(
        &mut self,
        partition: &CapturedPartition,
        offset: Offset,
        error: &impl fmt::Display,
    ) {
        self.level = self.level.min(Level::BestEffort);
        let first = self.unreadable.entry(partition.key).or_insert_with(|| Unreadable {
            name: name(&partition.topic, partition.key.partition),
            offset,
            error: error.to_string(),
            more: 0,
        });
        if first.offset != offset {
            first.more += 1;
        }
    }

    /// What was captured of a partition is not in the order of its log.
    pub(super) fn out_of_order(&mut self, partition: &CapturedPartition) {
        self.about(
            Level::BestEffort,
            partition,
            "its records were not captured in the order of their offsets",
        );
    }

    /// The level and everything that was said.
    pub(super) fn finish(mut self) -> (Level, Vec<Note>) {
        for (key, unreadable) in std::mem::take(&mut self.unreadable) {
            let Unreadable {
                name,
                offset,
                error,
                more,
            } = unreadable;
            let others = match more {
                0 => String::new(),
                more => format!(", nor are {more} others"),
            };
            let text = format!(
                "{name}: the record at offset {offset} is not readable ({error}){others}; what it said is unknown"
            );
            self.add(Level::BestEffort, Some(key), text);
        }
        (self.level, self.notes)
    }
}
