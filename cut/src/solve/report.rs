//! What is said about a capture, and about the cuts in the end.

use std::collections::{BTreeMap, BTreeSet};

use super::bounds::{Cause, Descent, Lowering};
use super::findings::Findings;
use super::holds_transactions;
use super::ids::{TransactionalIds, name};
use super::offsets::Commit;
use super::rules::{Doubt, Rules};
use crate::capture::{Absence, Capture, CapturedPartition, Cleaning, PartitionKind};
use crate::cuts::{CutBack, Cuts, Level};

/// Says what the capture lacks, and whether all that the rules for transactions need is there.
pub(super) fn capture(capture: &Capture, findings: &mut Findings) -> bool {
    let mut is_known = true;
    for absent in capture
        .absent
        .iter()
        .filter(|absent| absent.reason == Absence::Unvouched)
    {
        let name = name(&absent.topic, absent.partition);
        let kind = PartitionKind::of_topic(&absent.topic);
        let (level, what) = match kind {
            PartitionKind::TransactionState => (Level::CrashConsistent, "no transaction can be vouched for without it"),
            PartitionKind::ConsumerOffsets | PartitionKind::ShareGroupState => {
                (Level::BestEffort, "the groups that it holds cannot be vouched for")
            }
            PartitionKind::Data => (Level::BestEffort, "what was written to it cannot be vouched for"),
        };
        is_known &= !holds_transactions(kind);
        findings.add(level, None, format!("{name}: it was not captured; {what}"));
    }
    for partition in &capture.partitions {
        is_known &= of_partition(partition, findings);
    }
    let has_home = capture.partitions.iter().any(|of| holds_transactions(of.kind));
    if !has_home && capture.partitions.iter().any(|of| !of.tail.is_empty()) {
        let text = "there are transactions, but no partition of __transaction_state was captured".to_owned();
        findings.add(Level::CrashConsistent, None, text);
        is_known = false;
    }
    created_again(capture, findings);
    is_known
}

fn of_partition(partition: &CapturedPartition, findings: &mut Findings) -> bool {
    let is_home = holds_transactions(partition.kind);
    let level = match is_home {
        true => Level::CrashConsistent,
        false => Level::BestEffort,
    };
    if let Some(why) = &partition.unreadable {
        findings.about(level, partition, format!("its records could not be read: {why}"));
        return !is_home;
    }
    let Some(start) = partition.start else {
        findings.about(level, partition, "nothing could be vouched for when the snapshot began");
        return !is_home;
    };
    if partition.end.offset() < start.offset() {
        let (end, start) = (partition.end.offset(), start.offset());
        findings.about(
            Level::BestEffort,
            partition,
            format!("its end, {end}, lies below where it ended before, {start}"),
        );
    }
    if let Some((left, all)) = missing_records(partition) {
        let text = format!(
            "{left} of {all} records since the snapshot began are left; the transactional ids that it holds cannot be vouched for"
        );
        findings.about(Level::BestEffort, partition, text);
    }
    true
}

/// How many records of a coordinator of transactions are left, and how many there were, where some are missing: its log has no
/// gaps but those that the cleaner makes.
pub(super) fn missing_records(partition: &CapturedPartition) -> Option<(usize, i64)> {
    let start = partition.start.filter(|_| holds_transactions(partition.kind))?.offset();
    let end = partition.end.offset();
    let captured = partition.records.iter().map(|record| record.offset);
    let left = captured
        .filter(|offset| (start..end).contains(offset))
        .collect::<BTreeSet<_>>()
        .len();
    let all = end.0.saturating_sub(start.0).max(0);
    (i64::try_from(left) != Ok(all)).then_some((left, all))
}

/// Names the topics that were deleted and created again: a group's offset of before may be past what they hold now.
fn created_again(capture: &Capture, findings: &mut Findings) {
    let deleted = capture.absent.iter().filter(|absent| absent.reason == Absence::Deleted);
    let deleted: BTreeSet<&str> = deleted.map(|absent| absent.topic.as_str()).collect();
    if deleted.is_empty()
        || !capture
            .partitions
            .iter()
            .any(|of| of.kind == PartitionKind::ConsumerOffsets)
    {
        return;
    }
    let again: BTreeSet<&str> = capture.partitions.iter().map(|of| of.topic.as_str()).collect();
    for topic in deleted.intersection(&again) {
        let text = format!(
            "topic {topic} was deleted and created again meanwhile; groups that read it before may have offsets past its data"
        );
        findings.add(Level::BestEffort, None, text);
    }
}

/// What the answer is made of.
#[derive(Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) capture: &'a Capture,
    pub(super) ids: &'a TransactionalIds,
    pub(super) commits: &'a [Commit],
    pub(super) rules: Rules,
}

impl Report<'_> {
    /// The answer.
    pub(super) fn finish(self, descent: &Descent<'_>, doubts: &[Doubt], mut findings: Findings) -> Cuts {
        self.doubtful_ids(&mut findings);
        self.open_questions(descent, doubts, &mut findings);
        for lowering in &descent.stopped {
            self.stopped(lowering, &mut findings);
        }
        for (partition, cut) in descent.cuts() {
            let missing = match partition.cleaning {
                Cleaning::Never => false,
                Cleaning::Below(offset) => cut.offset() < offset,
                Cleaning::Unknown => true,
            };
            if missing && cut.offset() < partition.end.offset() {
                let text = "it is compacted and was cut back; where a key's newer value was cut, the cleaner may have removed \
                            the older one";
                findings.about(Level::BestEffort, partition, text);
            }
        }
        let (level, notes) = findings.finish();
        let cut_back = descent.lowerings.iter().filter_map(|lowering| self.cut_back(lowering));
        Cuts {
            level,
            cuts: descent.cuts().map(|(partition, cut)| (partition.key, cut)).collect(),
            cut_back: cut_back.collect(),
            notes,
        }
    }

    fn doubtful_ids(&self, findings: &mut Findings) {
        for id in &self.ids.ids {
            let home = self.capture.partitions.get(id.home).map(|home| home.key);
            for doubt in &id.doubts {
                findings.add(
                    Level::BestEffort,
                    home,
                    format!("transactional id {:?}: {doubt}", id.name),
                );
            }
            if let Some(missing) = id
                .transactions
                .iter()
                .find_map(|transaction| transaction.missing.as_ref())
            {
                let text = format!(
                    "transactional id {:?} writes to {missing}, which was not captured",
                    id.name
                );
                findings.add(Level::BestEffort, home, text);
            }
        }
    }

    /// What was left open, where the cuts ended up so that it matters; once for each cause and partition.
    fn open_questions(&self, descent: &Descent<'_>, doubts: &[Doubt], findings: &mut Findings) {
        let mut said = BTreeMap::new();
        for doubt in doubts.iter().filter(|_| self.rules.accept_test) {
            let (below, above) = (doubt.below, doubt.above);
            if descent.offset(below.0) < below.1 && descent.offset(above.0) > above.1 {
                let cause = self.cause(doubt.about);
                said.entry((doubt.partition, cause)).or_insert(doubt.text);
            }
        }
        for ((partition, cause), text) in said {
            if let Some(partition) = self.capture.partitions.get(partition) {
                findings.about(Level::BestEffort, partition, format!("{cause}: {text}"));
            }
        }
    }

    fn stopped(&self, lowering: &Lowering, findings: &mut Findings) {
        if let Some(partition) = self.capture.partitions.get(lowering.partition) {
            let (cause, rule) = (self.cause(lowering.cause), lowering.rule.name());
            let text = format!(
                "{rule} asks for a cut below offset {}, where it was when the snapshot began, because of {cause}; it is not cut there",
                lowering.to
            );
            findings.about(Level::BestEffort, partition, text);
        }
    }

    fn cut_back(&self, lowering: &Lowering) -> Option<CutBack> {
        Some(CutBack {
            partition: self.capture.partitions.get(lowering.partition)?.key,
            rule: lowering.rule,
            from: lowering.from,
            to: lowering.to,
            cause: self.cause(lowering.cause),
        })
    }

    fn cause(&self, cause: Cause) -> String {
        match cause {
            Cause::Transaction(index) => {
                let name = self.ids.ids.get(index).map_or("", |id| id.name.as_str());
                format!("transactional id {name:?}")
            }
            Cause::Producer(producer) => format!("producer {producer}, which no transactional id has yet"),
            Cause::Commit(index) => {
                let commit = self.commits.get(index);
                let read = commit.and_then(|commit| self.capture.partitions.get(commit.read));
                match (commit, read) {
                    (Some(commit), Some(read)) => {
                        let of = name(&read.topic, read.key.partition);
                        format!("group {:?} at offset {} of {of}", commit.group, commit.next)
                    }
                    _ => "a group".to_owned(),
                }
            }
        }
    }
}
