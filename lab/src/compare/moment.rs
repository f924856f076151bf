//! A cluster is in a state that the original could have been in at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::report::write_problems;
use super::{Options, Problem, chain_violations, missing_acknowledged, torn_transactions};
use crate::acknowledged::{Acknowledged, Outcome};
use crate::describe::ClusterDescription;
use crate::dump::{Dump, Record, TransactionTag};
use crate::partition::TopicPartition;
use crate::workload::ChainSpec;

/// A restored cluster on which nothing runs, and what is known of the load that was on the original.
///
/// Its open transactions have had 30 s to end: [`Client::undecided`](crate::Client::undecided) first, then the dump, then the
/// description.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// All records of the restored cluster, Kafka's own topics included.
    pub dump: &'a Dump,
    /// The restored cluster.
    pub description: &'a ClusterDescription,
    /// What the clients of the original were told.
    pub acknowledged: &'a Acknowledged,
    /// When the snapshot was asked for, in milliseconds since the epoch.
    pub began_ms: i64,
    /// The exactly-once chains of the load.
    pub chains: &'a [ChainSpec],
    /// Which topics are compacted.
    pub options: &'a Options,
    /// Topics that the test deleted, re-created or elected uncleanly: what was acknowledged there is not promised.
    pub broken: &'a BTreeSet<String>,
}

/// What was judged, and all that must not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Transactions of which a consumer gets records.
    pub transactions: usize,
    /// Committed records that move money.
    pub transfers: usize,
    /// Committed outputs of chains.
    pub outputs: usize,
    /// Records acknowledged before the snapshot was asked for.
    pub promised: usize,
    /// Partitions with a committed offset, of all groups.
    pub offsets: usize,
    /// Records that cite a schema.
    pub citations: usize,
    /// All that must not be.
    pub problems: Vec<Problem>,
}

impl Verdict {
    /// Tells whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} transactions, {} transfers, {} outputs, {} promised records, {} offsets, {} citations judged",
            self.transactions, self.transfers, self.outputs, self.promised, self.offsets, self.citations
        )?;
        write_problems(f, &self.problems)
    }
}

/// Judges whether the restored cluster is one moment of the original.
///
/// * No transaction is torn, none that was aborted is visible, the committed amounts add up to nothing.
/// * Each stage of a chain has exactly one output for each input below its committed offset, and none for others.
/// * No group's offset points past its data, and none lies before what was acknowledged to it before the snapshot began.
/// * No transaction is open, and no producer's is one that its coordinator does not know.
/// * All records acknowledged before the snapshot began are there.
/// * Each schema that a record cites is there. It was acknowledged before the record was sent.
pub fn judge_moment(moment: &Moment<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let visible = || {
        let partitions = moment.dump.partitions.iter();
        partitions.flat_map(|(name, it)| {
            it.records
                .iter()
                .filter(|record| record.visible)
                .map(move |it| (name, it))
        })
    };
    let tags: BTreeSet<&TransactionTag> = visible()
        .filter_map(|(_, record)| record.transaction.as_ref())
        .collect();
    verdict.transactions = tags.len();
    verdict.problems.extend(torn_transactions(moment.dump));
    sum(moment, &mut verdict);
    for chain in moment.chains {
        chained(moment, chain, &mut verdict);
    }
    offsets(moment, &mut verdict);
    undecided(moment, &mut verdict);
    promises(moment, &mut verdict);
    resurrected(moment, visible(), &mut verdict);
    citations(visible(), &mut verdict);
    verdict.problems.sort();
    verdict.problems.dedup();
    verdict
}

/// Topics that lost records from their beginning hold a part of old transactions by right: then nothing need add up.
fn sum(moment: &Moment<'_>, verdict: &mut Verdict) {
    let mut sum = 0_i64;
    let mut is_whole = true;
    let is_shortened = |topic: &str| {
        moment
            .dump
            .partitions
            .iter()
            .any(|(name, it)| name.topic == topic && it.start > 0)
    };
    for (name, partition) in &moment.dump.partitions {
        let before = verdict.transfers;
        for amount in partition
            .records
            .iter()
            .filter(|record| record.visible)
            .filter_map(|record| record.amount)
        {
            verdict.transfers += 1;
            sum = sum.wrapping_add(amount);
        }
        if verdict.transfers > before && is_shortened(&name.topic) {
            is_whole = false;
        }
    }
    if is_whole && sum != 0 {
        verdict.problems.push(Problem::WrongSum { sum });
    }
}

fn chained(moment: &Moment<'_>, chain: &ChainSpec, verdict: &mut Verdict) {
    let offsets = moment.description.groups.get(&chain.group);
    let committed = offsets
        .into_iter()
        .flatten()
        .filter_map(|(partition, &offset)| Some((partition.parse().ok()?, offset)))
        .collect();
    let outputs = moment
        .dump
        .partitions
        .iter()
        .filter(|(name, _)| name.topic == chain.to)
        .flat_map(|(_, it)| &it.records);
    verdict.outputs += outputs
        .filter(|record| record.visible && record.source.is_some())
        .count();
    verdict
        .problems
        .extend(chain_violations(moment.dump, &chain.from, &chain.to, &committed));
}

fn offsets(moment: &Moment<'_>, verdict: &mut Verdict) {
    let mut restored: BTreeMap<(&str, TopicPartition), i64> = BTreeMap::new();
    for (group, offsets) in moment.description.groups.iter().chain(&moment.description.share_groups) {
        for (partition, &offset) in offsets {
            let Ok(partition) = partition.parse::<TopicPartition>() else {
                continue;
            };
            verdict.offsets += 1;
            let end = moment.dump.partitions.get(&partition).map(|it| it.end);
            if end.is_none_or(|end| offset > end) {
                verdict.problems.push(Problem::OffsetBeyond {
                    group: group.clone(),
                    partition: partition.clone(),
                    offset,
                    end,
                });
            }
            restored.insert((group, partition), offset);
        }
    }
    let mut promised: BTreeMap<(&str, TopicPartition), i64> = BTreeMap::new();
    for commit in moment
        .acknowledged
        .commits
        .iter()
        .filter(|commit| commit.at_ms < moment.began_ms)
    {
        if !moment.broken.contains(&commit.partition.topic) {
            promised.insert((&commit.group, commit.partition.clone()), commit.offset);
        }
    }
    for ((group, partition), acknowledged) in promised {
        let offset = restored.get(&(group, partition.clone())).copied();
        if offset.is_none_or(|offset| offset < acknowledged) {
            verdict.problems.push(Problem::OffsetBehind {
                group: group.to_owned(),
                partition,
                offset,
                acknowledged,
            });
        }
    }
}

fn undecided(moment: &Moment<'_>, verdict: &mut Verdict) {
    for (name, partition) in &moment.dump.partitions {
        if partition.last_stable < partition.end {
            verdict.problems.push(Problem::Undecided {
                partition: name.clone(),
                last_stable: partition.last_stable,
                end: partition.end,
            });
        }
    }
    let hanging = moment.description.hanging_transactions.iter();
    verdict
        .problems
        .extend(hanging.map(|what| Problem::Hanging { what: what.clone() }));
}

fn promises(moment: &Moment<'_>, verdict: &mut Verdict) {
    let is_whole = |partition: &TopicPartition| !moment.broken.contains(&partition.topic);
    verdict.promised = moment
        .acknowledged
        .promised_before(moment.began_ms)
        .filter(|known| is_whole(&known.partition))
        .count();
    let missing = missing_acknowledged(moment.dump, moment.acknowledged, moment.began_ms, moment.options);
    verdict
        .problems
        .extend(missing.into_iter().filter(|problem| match problem {
            Problem::Unkept { partition, .. } => is_whole(partition),
            _ => true,
        }));
}

/// Records of transactions that a producer aborted, whatever their offset.
fn resurrected<'a>(
    moment: &Moment<'_>,
    visible: impl Iterator<Item = (&'a TopicPartition, &'a Record)>,
    verdict: &mut Verdict,
) {
    let aborted: BTreeSet<&str> = moment
        .acknowledged
        .acknowledgements
        .iter()
        .filter(|known| known.outcome == Outcome::Aborted)
        .filter_map(|known| known.transaction.as_deref())
        .collect();
    for (name, record) in visible {
        if record
            .transaction
            .as_ref()
            .is_some_and(|tag| aborted.contains(tag.to_string().as_str()))
        {
            verdict.problems.push(Problem::Resurrected {
                partition: name.clone(),
                offset: record.offset,
            });
        }
    }
}

fn citations<'a>(visible: impl Iterator<Item = (&'a TopicPartition, &'a Record)>, verdict: &mut Verdict) {
    let mut schemas = BTreeSet::new();
    let mut citations = Vec::new();
    for (name, record) in visible {
        schemas.extend(record.schema);
        citations.extend(record.cites.map(|schema| (name, record.offset, schema)));
    }
    verdict.citations = citations.len();
    for (name, offset, schema) in citations {
        if !schemas.contains(&schema) {
            verdict.problems.push(Problem::SchemaMissing {
                partition: name.clone(),
                offset,
                schema,
            });
        }
    }
}

#[cfg(test)]
mod tests;
