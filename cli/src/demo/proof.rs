//! What the restored cluster is, against what the original was.

use std::path::Path;

use maxbrod_lab::{Cluster, Options, SmokeReport, compare};
use serde::Serialize;

use super::story::Original;
use crate::exit::Result;

/// The verdict, and what it rests on.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    partitions: usize,
    records: usize,
    identical: usize,
    /// Ids, configs, ACLs, users, quotas, features and groups that differ.
    differences: Vec<String>,
    /// Records that are lost, altered, invented.
    problems: Vec<String>,
    /// Warnings and errors of the brokers' first start.
    log_problems: Vec<String>,
    produced: u64,
    committed: u64,
    consumed: u64,
}

/// Compares the running, restored cluster with the original, and writes to it.
pub(super) fn prove(cluster: &Cluster, original: &Original, dir: &Path) -> Result<Proof> {
    let client = cluster.client();
    let mut log_problems = Vec::new();
    for node in cluster.node_ids() {
        log_problems.extend(
            cluster
                .log_problems(node)?
                .iter()
                .map(|problem| format!("node {node}: {problem}")),
        );
    }
    let after = client.describe()?;
    let dump = client.dump(&dir.join("restored.dump"), None)?;
    let report = compare(
        &original.dump,
        &dump,
        &original.cuts,
        &Options::of(&original.description),
    );
    let differences = original
        .description
        .without_retention()
        .identity_differences(&after.without_retention());
    let SmokeReport {
        produced,
        committed,
        consumed,
        ..
    } = client.smoke(&["codec-none".to_owned()], 3)?;
    Ok(Proof {
        partitions: report.partitions,
        records: report.records,
        identical: report.identical,
        differences: differences.iter().map(ToString::to_string).collect(),
        problems: report.problems.iter().map(ToString::to_string).collect(),
        log_problems,
        produced,
        committed,
        consumed,
    })
}

impl Proof {
    /// Whether the restored cluster is the original one as of the cut.
    pub(super) fn is_clean(&self) -> bool {
        let worked = [self.produced, self.committed, self.consumed]
            .iter()
            .all(|count| *count > 0);
        let nothing_wrong = self.differences.is_empty() && self.problems.is_empty() && self.log_problems.is_empty();
        nothing_wrong && worked && self.identical > 0 && self.identical == self.records
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "records        {} of {} identical (offset, key, value, headers, timestamp) in {} partitions\n\
             identity       {} differences (cluster id, topic ids, configs, ACLs, SCRAM, quotas, features, groups)\n\
             broker logs    {} warnings or errors at the first start\n\
             new work       {} records, {} in transactions, {} consumed and committed\n",
            self.identical,
            self.records,
            self.partitions,
            self.differences.len(),
            self.log_problems.len(),
            self.produced,
            self.committed,
            self.consumed,
        );
        for line in self
            .problems
            .iter()
            .chain(&self.differences)
            .chain(&self.log_problems)
            .take(40)
        {
            text.push_str(&format!("  ! {line}\n"));
        }
        text.push_str(if self.is_clean() {
            "\nVERDICT        restored\n"
        } else {
            "\nVERDICT        NOT RESTORED\n"
        });
        text
    }
}
