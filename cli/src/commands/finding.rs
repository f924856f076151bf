//! What a check found wrong, as a document shows it.

use maxbrod_repository::{Finding, JournalFinding};
use serde::Serialize;

/// Something wrong in the repository.
#[derive(Serialize)]
pub struct FindingDocument {
    /// The journal's entry that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    pub code: &'static str,
    pub message: String,
    /// What of the backup it touches.
    pub concerns: String,
    pub remedy: &'static str,
}

impl FindingDocument {
    pub fn text(&self) -> String {
        format!(
            "WRONG [{}] {}\n  concerns: {}\n  what to do: {}\n",
            self.code, self.message, self.concerns, self.remedy
        )
    }
}

impl From<&Finding> for FindingDocument {
    fn from(finding: &Finding) -> Self {
        Self {
            entry: None,
            code: finding.error.code(),
            message: finding.error.to_string(),
            concerns: finding.concerns.clone(),
            remedy: finding.remedy,
        }
    }
}

impl From<&JournalFinding> for FindingDocument {
    fn from(finding: &JournalFinding) -> Self {
        Self {
            entry: Some(finding.n),
            code: finding.error.code(),
            message: finding.error.to_string(),
            concerns: format!("the journal's entry {}, and whatever was written after it", finding.n),
            remedy: "bring the journal's entry back from a copy of the repository; until then no command goes by this journal",
        }
    }
}
