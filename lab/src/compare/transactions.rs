//! Transactions are whole, chains exactly-once.

use std::collections::{BTreeMap, BTreeSet};

use super::Problem;
use crate::dump::{Dump, TransactionTag};
use crate::partition::TopicPartition;

/// The load's transactions of which a `read_committed` consumer gets a part only.
///
/// Producers with records in topics that lost some from their beginning are left out: of their old transactions there is a part
/// by right.
pub fn torn_transactions(dump: &Dump) -> Vec<Problem> {
    let tagged = || {
        let partitions = dump.partitions.iter();
        partitions.flat_map(|(name, it)| {
            let records = it.records.iter();
            records.filter_map(move |record| Some((&name.topic, record.visible, record.transaction.as_ref()?)))
        })
    };
    let shortened: BTreeSet<&String> = dump
        .partitions
        .iter()
        .filter(|(_, it)| it.start > 0)
        .map(|(name, _)| &name.topic)
        .collect();
    let unjudged: BTreeSet<&str> = tagged()
        .filter(|(topic, ..)| shortened.contains(topic))
        .map(|(.., tag)| tag.id.as_str())
        .collect();
    let mut seen: BTreeMap<&TransactionTag, usize> = BTreeMap::new();
    for (_, visible, tag) in tagged() {
        if visible && !unjudged.contains(tag.id.as_str()) {
            *seen.entry(tag).or_default() += 1;
        }
    }
    let torn = seen
        .into_iter()
        .map(|(tag, visible)| (tag, visible, usize::try_from(tag.records).unwrap_or(usize::MAX)));
    torn.filter(|(_, visible, records)| visible != records)
        .map(|(tag, visible, records)| Problem::Torn {
            id: tag.id.clone(),
            number: tag.number,
            visible,
            records,
        })
        .collect()
}

/// The inputs of a chain that did not give exactly one visible output: those of topic `from` below the chain's committed
/// offsets without one or with several, and those beyond with any.
pub fn chain_violations(dump: &Dump, from: &str, to: &str, committed: &BTreeMap<TopicPartition, i64>) -> Vec<Problem> {
    let mut outputs: BTreeMap<&str, usize> = BTreeMap::new();
    let written = dump
        .partitions
        .iter()
        .filter(|(name, _)| name.topic == to)
        .flat_map(|(_, it)| &it.records);
    for source in written
        .filter(|record| record.visible)
        .filter_map(|record| record.source.as_deref())
    {
        *outputs.entry(source).or_default() += 1;
    }
    let mut problems = Vec::new();
    for (name, partition) in dump.partitions.iter().filter(|(name, _)| name.topic == from) {
        let position = committed.get(name).copied().unwrap_or(0);
        for record in partition.records.iter().filter(|record| record.visible) {
            let source = format!("{name}@{}", record.offset);
            let found = outputs.remove(source.as_str()).unwrap_or(0);
            let expected = usize::from(record.offset < position);
            if found != expected {
                problems.push(Problem::ChainBroken {
                    source,
                    outputs: found,
                    expected,
                });
            }
        }
    }
    // Outputs of inputs that nobody can read.
    problems.extend(outputs.into_iter().map(|(source, outputs)| Problem::ChainBroken {
        source: source.into(),
        outputs,
        expected: 0,
    }));
    problems
}
