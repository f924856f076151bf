//! R4: no group is past the data that it read (K§6.5), and none past the records of a transaction that the cut leaves undecided.
//!
//! A commit between phases g and p is below the replicated prefix of its data, since it was read before. An offset beyond was
//! past the data in the cluster itself (set by hand, or of a topic deleted since): no cut helps against it, and it is named.

use std::collections::BTreeMap;

use maxbrod_kafka::consumer_offsets::GroupRecord;
use maxbrod_kafka::share_group_state::ShareRecord;
use maxbrod_kafka::{Offset, TopicId};

use super::attribution::{Attributed, Certainty};
use super::bounds::{Bound, Cause};
use super::findings::Findings;
use super::ids::{BEFORE, TransactionalId, TransactionalIds, name};
use super::participants::{Participants, Whereabouts};
use super::rules::{Demands, Doubt, Settled};
use super::runs::Strand;
use crate::capture::{Capture, CapturedPartition, PartitionKey, PartitionKind};
use crate::cuts::{Level, Rule};

/// How far a group is in a partition.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) group: String,
    /// The partition that is read, an index into the capture.
    pub(super) read: usize,
    /// The offset after the last record that the group is done with.
    pub(super) next: i64,
    /// The coordinator's partition that says so, and where.
    log: usize,
    at: i64,
}

/// Reads the commits of all groups, and names those that no cut can make right.
pub(super) fn commits(capture: &Capture, participants: &Participants<'_>, findings: &mut Findings) -> Vec<Commit> {
    let mut commits = Vec::new();
    for (log, partition) in capture.partitions.iter().enumerate() {
        let is_share = match partition.kind {
            PartitionKind::ConsumerOffsets => false,
            PartitionKind::ShareGroupState => true,
            PartitionKind::TransactionState | PartitionKind::Data => continue,
        };
        // The last commit of each group for each partition, where it is past the data.
        let mut ahead: BTreeMap<(String, usize), i64> = BTreeMap::new();
        for record in &partition.records {
            let value = record.value.as_deref();
            let read = match is_share {
                true => share_progress(&record.key, value, participants),
                false => group_offset(&record.key, value, capture, participants),
            };
            let (group, read, next) = match read {
                Ok(Some(progress)) => progress,
                Ok(None) => continue,
                Err(error) => {
                    findings.unreadable_record(partition, record.offset, &error);
                    continue;
                }
            };
            let Some(data) = capture.partitions.get(read) else {
                continue;
            };
            if next > data.end.offset().0 {
                ahead.insert((group, read), next);
                continue;
            }
            ahead.remove(&(group.clone(), read));
            // What lies below the start is not cut, and without transactions nothing of it is undecided.
            if next > data.start.map_or(i64::MIN, |start| start.offset().0) || !data.tail.is_empty() {
                commits.push(Commit {
                    group,
                    read,
                    next,
                    log,
                    at: record.offset.0,
                });
            }
        }
        for ((group, read), next) in ahead {
            if let Some(data) = capture.partitions.get(read) {
                let (end, of) = (data.end.offset(), name(&data.topic, data.key.partition));
                let text =
                    format!("group {group:?} is at offset {next} of {of}, which ended at {end} in the cluster itself");
                findings.add(Level::BestEffort, Some(data.key), text);
            }
        }
    }
    commits
}

type Progress = (String, usize, i64);

fn group_offset(
    key: &[u8],
    value: Option<&[u8]>,
    capture: &Capture,
    participants: &Participants<'_>,
) -> Result<Option<Progress>, String> {
    let record = GroupRecord::decode(key, value).map_err(|error| error.to_string())?;
    let kind = record.kind();
    match record {
        GroupRecord::OffsetCommit {
            key,
            value: Some(value),
        } => {
            let Whereabouts::Captured(read) = participants.find(&key.topic, key.partition) else {
                return Ok(None);
            };
            // A commit for a topic that had the name before: Kafka does not give it to readers of this one.
            let is_anothers =
                |of: &CapturedPartition| value.topic_id != TopicId::default() && of.key.topic_id != value.topic_id;
            if capture.partitions.get(read).is_some_and(is_anothers) {
                return Ok(None);
            }
            // Without an id it can be for the one that was deleted meanwhile: no cut is right for that.
            if value.topic_id == TopicId::default() && participants.was_deleted(&key.topic) {
                return Ok(None);
            }
            Ok(Some((key.group, read, value.offset.0)))
        }
        GroupRecord::Other { .. } if kind.name().is_none() => Err(format!("its kind, {}, is unknown", kind.0)),
        GroupRecord::OffsetCommit { value: None, .. }
        | GroupRecord::GroupMetadata { .. }
        | GroupRecord::Other { .. } => Ok(None),
    }
}

fn share_progress(
    key: &[u8],
    value: Option<&[u8]>,
    participants: &Participants<'_>,
) -> Result<Option<Progress>, String> {
    let record = ShareRecord::decode(key, value).map_err(|error| error.to_string())?;
    let (key, start, batches) = match record {
        ShareRecord::Snapshot {
            key,
            value: Some(value),
        } => (key, value.start_offset, value.state_batches),
        ShareRecord::Update {
            key,
            value: Some(value),
        } => (key, value.start_offset, value.state_batches),
        ShareRecord::Snapshot { value: None, .. } | ShareRecord::Update { value: None, .. } => return Ok(None),
        ShareRecord::Other { kind, .. } => return Err(format!("its kind, {kind}, is unknown")),
    };
    let partition = PartitionKey {
        topic_id: key.topic_id,
        partition: key.partition,
    };
    // What is acknowledged beyond the end would hide records that are written there later.
    let ends = batches
        .iter()
        .map(|batch| Offset(batch.last_offset.0.saturating_add(1)));
    let next = ends.fold(start, Offset::max);
    Ok(participants
        .find_by_key(&partition)
        .map(|read| (key.group, read, next.0)))
}

impl Demands {
    /// R4 for all groups.
    pub(super) fn of_commits(&mut self, commits: &[Commit]) {
        let bounds = commits.iter().enumerate().map(|(index, commit)| Bound {
            watched: commit.read,
            below: commit.next,
            lowered: commit.log,
            to: commit.at,
            rule: Rule::R4,
            cause: Cause::Commit(index),
        });
        self.bounds.extend(bounds);
    }

    /// R4 for transactions that read what other transactions wrote: they are undone with those.
    ///
    /// A consumer that hands its offsets to a transaction reads committed records only. Where a marker is cut because the
    /// decision is, it may have read the records before, and its offset is not past the end.
    pub(super) fn of_chains(
        &mut self,
        commits: &[Commit],
        ids: &TransactionalIds,
        strands: &[(Strand, Vec<Attributed>)],
        settled: impl Fn(usize) -> Option<Settled>,
    ) {
        let writers = Writers::of(ids, strands);
        let readers = Writers::of_records(ids, strands);
        for (index, commit) in commits.iter().enumerate() {
            let Some(reader) = readers.get(&commit.log).and_then(|of| of.covering(commit.at)) else {
                continue;
            };
            let (reader_home, decided) = (reader.home, reader.decided);
            let settled = settled(reader_home);
            // Decided before the last q began: what is not decided in that q, nobody had read as committed by then.
            if settled.is_some_and(|settled| decided < settled.at) {
                continue;
            }
            let Some(written) = writers.get(&commit.read) else {
                continue;
            };
            for writer in written.overlapping(commit.next) {
                let has_read = writer.first.map(|first| first < commit.next);
                let has_read = has_read.or(settled.filter(|settled| settled.can_undo).map(|_| true));
                match has_read.filter(|has_read| !has_read || reader.is_certain) {
                    Some(true) => self.bounds.push(Bound {
                        watched: writer.home,
                        below: writer.decided.saturating_add(1),
                        lowered: reader_home,
                        to: decided,
                        rule: Rule::R4,
                        cause: Cause::Commit(index),
                    }),
                    Some(false) => {}
                    None => self.doubts.push(Doubt {
                        below: (writer.home, writer.decided.saturating_add(1)),
                        above: (reader_home, decided),
                        about: Cause::Commit(index),
                        text: "it may have read records of a transaction that the cut leaves undecided",
                        partition: commit.read,
                    }),
                }
            }
        }
    }
}

/// The committed transactions of one partition, by where they end there.
#[derive(Debug, Default)]
struct Writers {
    /// By their ends.
    spans: Vec<Span>,
    /// The lowest first record of each span and those after it.
    lowest: Vec<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    /// Offset of the first record, `None` unknown.
    first: Option<i64>,
    /// Offset of the marker, or after the last record.
    end: i64,
    home: usize,
    /// Offset of the decision.
    decided: i64,
    /// Whether it is certain which decision it is; if not, `decided` is the lowest possible.
    is_certain: bool,
}

impl Writers {
    /// The transactions by their markers. What must precede a marker is its decision, whether that was read or not.
    fn of(ids: &TransactionalIds, strands: &[(Strand, Vec<Attributed>)]) -> BTreeMap<usize, Self> {
        Self::collect(ids, strands, |id, attributed| {
            let is_end = attributed.run.kind.is_commit() == Some(true) && attributed.is_effective != Certainty::No;
            let (decided, _) = attributed.explained;
            (is_end && decided > BEFORE).then(|| Span {
                first: attributed
                    .first_offset
                    .filter(|_| attributed.is_effective == Certainty::Yes),
                end: attributed.run.base_offset.0,
                home: id.home,
                decided,
                is_certain: true,
            })
        })
    }

    /// The transactions by their records.
    fn of_records(ids: &TransactionalIds, strands: &[(Strand, Vec<Attributed>)]) -> BTreeMap<usize, Self> {
        Self::collect(ids, strands, |id, attributed| {
            let run = &attributed.run;
            let transaction = attributed.transaction.and_then(|index| id.transactions.get(index));
            let decision = match transaction {
                Some(certain) => certain.decision.filter(|of| of.is_commit).map(|of| of.at),
                None => attributed.lowest_commit(id),
            };
            let decided = decision.filter(|at| *at > BEFORE && run.kind.is_commit().is_none())?;
            Some(Span {
                first: Some(run.base_offset.0),
                end: run.next_offset.0,
                home: id.home,
                decided,
                is_certain: transaction.is_some(),
            })
        })
    }

    fn collect(
        ids: &TransactionalIds,
        strands: &[(Strand, Vec<Attributed>)],
        span: impl Fn(&TransactionalId, &Attributed) -> Option<Span>,
    ) -> BTreeMap<usize, Self> {
        let mut all: BTreeMap<usize, Self> = BTreeMap::new();
        for (strand, runs) in strands {
            let Some(id) = ids.ids.get(strand.id) else { continue };
            for span in runs.iter().filter_map(|attributed| span(id, attributed)) {
                all.entry(strand.partition).or_default().spans.push(span);
            }
        }
        all.values_mut().for_each(Self::sort);
        all
    }

    fn sort(&mut self) {
        self.spans.sort_by_key(|span| span.end);
        let mut lowest = i64::MAX;
        self.lowest = vec![lowest; self.spans.len()];
        for (of, span) in self.lowest.iter_mut().zip(&self.spans).rev() {
            lowest = lowest.min(span.first.unwrap_or(i64::MIN));
            *of = lowest;
        }
    }

    /// The transaction that wrote a record.
    fn covering(&self, offset: i64) -> Option<&Span> {
        let after = self.spans.partition_point(|span| span.end <= offset);
        let span = self.spans.get(after)?;
        span.first.is_some_and(|first| first <= offset).then_some(span)
    }

    /// Those that end at an offset or above and may begin below it.
    fn overlapping(&self, offset: i64) -> impl Iterator<Item = &Span> {
        let from = self.spans.partition_point(|span| span.end < offset);
        let spans = self.spans.iter().zip(&self.lowest).skip(from);
        spans
            .take_while(move |(_, lowest)| **lowest < offset)
            .map(|(span, _)| span)
    }
}
