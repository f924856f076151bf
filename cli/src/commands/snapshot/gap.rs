//! What a snapshot lacks, as a document shows it.

use maxbrod_proto::{manifest, operator};
use serde::Serialize;

/// Something that a snapshot does not hold, or could not vouch for.
#[derive(Serialize)]
pub struct GapDocument {
    pub what: String,
    pub why: String,
    pub remedy: String,
}

impl From<operator::Gap> for GapDocument {
    fn from(gap: operator::Gap) -> Self {
        Self {
            what: gap.what,
            why: gap.why,
            remedy: gap.remedy,
        }
    }
}

impl From<&manifest::Gap> for GapDocument {
    fn from(gap: &manifest::Gap) -> Self {
        Self {
            what: gap.what.clone(),
            why: gap.why.clone(),
            remedy: gap.remedy.clone(),
        }
    }
}
