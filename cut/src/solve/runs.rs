//! What each transactional id wrote to each partition, in the order of the log.

use std::collections::{BTreeMap, HashMap};

use maxbrod_kafka::{ProducerEpoch, ProducerId};

use super::findings::Findings;
use super::ids::{TransactionalIds, name};
use crate::capture::{Capture, CapturedPartition, OpenTransaction, TransactionalRun, TransactionalRunKind};
use crate::cuts::Level;

/// Everything that one transactional id wrote to one partition above its start.
#[derive(Debug)]
pub(super) struct Strand {
    pub(super) partition: usize,
    pub(super) id: usize,
    pub(super) opening: Opening,
    pub(super) runs: Vec<TransactionalRun>,
}

/// Whether a transaction of the id was open where the strand begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opening {
    /// None was.
    Closed,
    /// This one was.
    Open(OpenTransaction),
    /// Nobody knows.
    Unknown,
}

/// The strands of all partitions, and the runs of producers that no coordinator knows.
#[derive(Debug, Default)]
pub(super) struct Strands {
    pub(super) strands: Vec<Strand>,
    pub(super) unknown: Vec<(usize, TransactionalRun)>,
}

impl Strands {
    /// Sorts the captured tails by transactional id.
    pub(super) fn of(capture: &Capture, ids: &mut TransactionalIds, findings: &mut Findings) -> Self {
        let mut all = Self::default();
        for (index, partition) in capture.partitions.iter().enumerate() {
            if !partition.tail.is_empty() {
                all.sort(index, partition, ids, findings);
            }
        }
        all
    }

    fn sort(
        &mut self,
        index: usize,
        partition: &CapturedPartition,
        ids: &mut TransactionalIds,
        findings: &mut Findings,
    ) {
        let mut tail = partition.tail.clone();
        if !tail.is_sorted_by_key(|run| run.base_offset) || tail.iter().any(|run| run.base_offset >= run.next_offset) {
            findings.out_of_order(partition);
            tail.sort_by_key(|run| run.base_offset);
        }
        // What lies beyond the end is cut anyway, and may be what an old leader alone holds.
        tail.retain(|run| run.base_offset < partition.end.offset());
        let mut epochs: HashMap<ProducerId, ProducerEpoch> = HashMap::new();
        let mut by_id: BTreeMap<usize, Vec<TransactionalRun>> = BTreeMap::new();
        for run in tail {
            let Some(producer) = ids.producer(run.producer_id) else {
                self.unknown.push((index, run));
                continue;
            };
            let last = epochs.entry(run.producer_id).or_insert(run.producer_epoch);
            by_id.entry(producer.id).or_default().push(run);
            if run.producer_epoch < *last {
                let id = producer.id;
                let of = name(&partition.topic, partition.key.partition);
                let text = format!("its epoch goes back at offset {} of {of}", run.base_offset);
                if let Some(id) = ids.ids.get_mut(id) {
                    id.doubt(text);
                }
            }
            *last = run.producer_epoch;
        }
        let mut open: HashMap<usize, OpenTransaction> = HashMap::new();
        for transaction in partition.open_at_start.iter().flatten() {
            if let Some(producer) = ids.producer(transaction.producer_id) {
                open.insert(producer.id, *transaction);
            }
        }
        let strands = by_id.into_iter().map(|(id, runs)| Strand {
            partition: index,
            id,
            opening: match (open.get(&id), &partition.open_at_start) {
                (Some(transaction), _) => Opening::Open(*transaction),
                (None, Some(_)) => Opening::Closed,
                (None, None) => Opening::Unknown,
            },
            runs,
        });
        self.strands.extend(strands);
    }
}

/// Says that transactions of versions 2 were both committed and aborted, where markers say so.
pub(super) fn find_contradictory_markers(capture: &Capture, ids: &mut TransactionalIds, strands: &Strands) {
    let mut outcomes: HashMap<(ProducerId, ProducerEpoch), bool> = HashMap::new();
    for id in ids.ids.iter().filter(|id| !id.is_older) {
        let decided = id
            .transactions
            .iter()
            .filter_map(|of| Some((of.producer_id, of.decision?)));
        outcomes.extend(decided.map(|(producer, decision)| ((producer, decision.epoch), decision.is_commit)));
    }
    for strand in &strands.strands {
        let Some(id) = ids.ids.get_mut(strand.id).filter(|id| !id.is_older) else {
            continue;
        };
        for run in &strand.runs {
            let Some(is_commit) = run.kind.is_commit() else {
                continue;
            };
            let outcome = *outcomes
                .entry((run.producer_id, run.producer_epoch))
                .or_insert(is_commit);
            if outcome != is_commit
                && let Some(partition) = capture.partitions.get(strand.partition)
            {
                let of = name(&partition.topic, partition.key.partition);
                let offset = run.base_offset;
                id.doubt(format!(
                    "the marker at offset {offset} of {of} contradicts what else is known of its outcome"
                ));
            }
        }
    }
}

impl TransactionalRunKind {
    /// Whether a marker commits; `None` for records.
    pub(super) fn is_commit(self) -> Option<bool> {
        match self {
            Self::Data => None,
            Self::Commit { .. } => Some(true),
            Self::Abort { .. } => Some(false),
        }
    }
}

/// Reports the producers that no coordinator knows although all was read after they wrote.
pub(super) fn report_unknown_producers(capture: &Capture, strands: &Strands, findings: &mut Findings) {
    let mut seen: BTreeMap<ProducerId, (usize, TransactionalRun)> = BTreeMap::new();
    for (partition, run) in &strands.unknown {
        seen.entry(run.producer_id).or_insert((*partition, *run));
    }
    for (producer, (partition, run)) in seen {
        if let Some(partition) = capture.partitions.get(partition) {
            let offset = run.base_offset;
            let text = format!(
                "producer {producer}, which wrote at offset {offset}, is in no state of a transactional id that could be read; \
                 its transaction may be torn, or open for ever"
            );
            findings.about(Level::BestEffort, partition, text);
        }
    }
}
