//! The last record of every key below an offset, and the records after it.
//!
//! Records come in the order of the log. The latest ones wait in a window, from which they are folded into the states batch by
//! batch; what is asked for is always the states below an offset within the window. A record that is folded can't be unfolded.

use std::collections::{HashMap, HashSet, VecDeque};

use super::entry::Entry;
use crate::replica::End;

/// A batch of the window.
#[derive(Debug)]
struct Waiting {
    end: End,
    entries: Vec<Entry>,
    bytes: usize,
}

/// The states and the window.
#[derive(Debug)]
pub(super) struct Fold {
    /// The last record of each key below `folded_to`, tombstones left out.
    states: HashSet<Entry>,
    states_bytes: usize,
    folded_to: i64,
    /// The last batch that was folded.
    folded_end: Option<End>,
    window: VecDeque<Waiting>,
    window_bytes: usize,
}

/// A moment of a log: states below an offset, records from there on.
#[derive(Debug, Default)]
pub(crate) struct Moment<'f> {
    /// The last record of every key below the offset, in no order; no tombstones.
    pub(crate) states: Vec<&'f Entry>,
    /// The records from the offset on, in order.
    pub(crate) records: Vec<&'f Entry>,
}

impl Fold {
    /// Of a log that starts at an offset.
    pub(super) fn new(start: i64) -> Self {
        Self {
            states: HashSet::new(),
            states_bytes: 0,
            folded_to: start,
            folded_end: None,
            window: VecDeque::new(),
            window_bytes: 0,
        }
    }

    /// Takes in the log's next batch.
    pub(super) fn push(&mut self, end: End, entries: Vec<Entry>) {
        let bytes = size_of::<Waiting>() + entries.iter().map(Entry::size).sum::<usize>();
        self.window_bytes += bytes;
        self.window.push_back(Waiting { end, entries, bytes });
    }

    /// Folds the batches that end at or below an offset.
    pub(super) fn fold_to(&mut self, offset: i64) {
        while self.window.front().is_some_and(|batch| batch.end.next <= offset) {
            self.fold_first();
        }
        let next = self.window.front().and_then(|batch| batch.entries.first());
        // Between two batches there is nothing.
        if next.is_none_or(|entry| entry.offset >= offset) {
            self.folded_to = self.folded_to.max(offset);
        }
    }

    /// Folds the oldest batches until the window takes no more than so many bytes; none that ends above `keep`.
    pub(super) fn shrink_window(&mut self, bytes: usize, keep: i64) {
        while self.window_bytes > bytes && self.window.front().is_some_and(|batch| batch.end.next <= keep) {
            self.fold_first();
        }
    }

    fn fold_first(&mut self) {
        let Some(batch) = self.window.pop_front() else { return };
        self.window_bytes -= batch.bytes;
        for entry in batch.entries {
            let size = entry.size();
            let before = if entry.value().is_some() {
                self.states_bytes += size;
                self.states.replace(entry)
            } else {
                self.states.take(entry.key())
            };
            self.states_bytes -= before.map_or(0, |before| before.size());
        }
        self.folded_to = self.folded_to.max(batch.end.next);
        self.folded_end = Some(batch.end);
    }

    /// Below this offset nothing can be told apart any more.
    pub(super) fn folded_to(&self) -> i64 {
        self.folded_to
    }

    /// The batch that ends at an offset, if it is known still.
    pub(super) fn end_at(&self, offset: i64) -> Option<End> {
        let index = self.window.partition_point(|batch| batch.end.next < offset);
        let waiting = self.window.get(index).map(|batch| batch.end);
        [waiting, self.folded_end]
            .into_iter()
            .flatten()
            .find(|end| end.next == offset)
    }

    /// The states below `since`, and the records from there to `end`. `None`: `since` lies in what is folded.
    pub(super) fn at(&self, since: i64, end: i64) -> Option<Moment<'_>> {
        if since < self.folded_to {
            return None;
        }
        let waiting = self.window.iter().flat_map(|batch| &batch.entries);
        let mut later: HashMap<&[u8], &Entry> = HashMap::new();
        let mut records = Vec::new();
        for entry in waiting.take_while(|entry| entry.offset < end) {
            if entry.offset < since {
                later.insert(entry.key(), entry);
            } else {
                records.push(entry);
            }
        }
        let mut states: Vec<&Entry> = Vec::with_capacity(self.states.len() + later.len());
        states.extend(self.states.iter().filter(|entry| !later.contains_key(entry.key())));
        states.extend(later.into_values().filter(|entry| entry.value().is_some()));
        Some(Moment { states, records })
    }

    /// Bytes of memory that it takes, nearly.
    pub(super) fn bytes(&self) -> usize {
        self.states_bytes + self.window_bytes
    }
}
