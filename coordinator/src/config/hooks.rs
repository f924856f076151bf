//! `[[hooks]]`: commands by which applications checkpoint their own state with the same moment.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::parse_duration;

/// One of `[[hooks]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// What operators call it.
    pub name: String,
    /// The program and its arguments. No shell is involved.
    pub command: Vec<String>,
    /// When it is run.
    #[serde(default = "at_the_cut")]
    pub moments: Vec<HookMoment>,
    /// After this time it is killed and counts as failed.
    #[serde(default = "default_timeout", deserialize_with = "timeout")]
    pub timeout: Duration,
    /// What a failure at the start or at the cut means for the snapshot.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// When a hook is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookMoment {
    /// Before the phases; they wait for it.
    Start,
    /// The cut is known: it receives the offset at which each partition is cut. The commit waits for it.
    Cut,
    /// The snapshot is committed.
    Commit,
    /// There will be no snapshot.
    Abort,
}

impl HookMoment {
    /// The name used in configuration, manifests and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Cut => "cut",
            Self::Commit => "commit",
            Self::Abort => "abort",
        }
    }
}

/// What a hook's failure means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// There is no snapshot.
    #[default]
    Fail,
    /// The snapshot says so and goes on.
    Continue,
}

impl Hook {
    /// Why it cannot be run, if it cannot.
    pub(super) fn flaw(&self) -> Option<&'static str> {
        if self.name.is_empty() {
            Some("it has no name")
        } else if self.command.first().is_none_or(String::is_empty) {
            Some("its command is empty")
        } else if self.moments.is_empty() {
            Some("its moments are empty")
        } else {
            None
        }
    }
}

fn at_the_cut() -> Vec<HookMoment> {
    vec![HookMoment::Cut]
}

fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{text:?} is no duration: write a number above 0 with s, m, h or d, as \"30s\""
        ))
    })
}
