//! Where a snapshot was cut below what replicas hold, as a document and as text.

use maxbrod_proto::{manifest, operator};
use serde::Serialize;

/// As many are listed in a text; the documents have all.
const SHOWN: usize = 10;

/// A partition that was cut back, so that no transaction is torn and no group is past its data.
#[derive(Serialize)]
pub struct CutBackDocument {
    pub topic: String,
    pub partition: i32,
    /// Which rule of the cut: R1 to R4.
    pub rule: String,
    /// Where it would have ended.
    pub from: i64,
    /// Where it ends.
    pub to: i64,
    pub cause: String,
}

impl From<operator::CutBack> for CutBackDocument {
    fn from(cut: operator::CutBack) -> Self {
        Self {
            topic: cut.topic,
            partition: cut.partition,
            rule: cut.rule,
            from: cut.from,
            to: cut.to,
            cause: cut.cause,
        }
    }
}

impl From<&manifest::CutBack> for CutBackDocument {
    fn from(cut: &manifest::CutBack) -> Self {
        Self {
            topic: cut.topic.clone(),
            partition: cut.partition,
            rule: cut.rule.clone(),
            from: cut.from,
            to: cut.to,
            cause: cut.cause.clone(),
        }
    }
}

/// A line for each of the first, and how many more there are; nothing where nothing was cut back.
pub fn lines(cuts: &[CutBackDocument]) -> Vec<String> {
    let mut lines: Vec<String> = cuts
        .iter()
        .take(SHOWN)
        .map(|cut| {
            format!(
                "cut back     {}-{} from {} to {} ({}: {})",
                cut.topic, cut.partition, cut.from, cut.to, cut.rule, cut.cause
            )
        })
        .collect();
    if let more @ 1.. = cuts.len().saturating_sub(SHOWN) {
        lines.push(format!("cut back     and {more} more; --json lists all"));
    }
    lines
}
