//! Reads and checks `coordinator.toml` (DESIGN §7).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use maxbrod_cut::Level;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

mod hooks;
#[cfg(test)]
mod tests;

pub use hooks::{Hook, HookMoment, OnFailure};

/// What `coordinator.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where agents and operators connect (gRPC).
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where `/metrics`, `/healthz`, `/readyz` and the uploads of file repositories are served.
    #[serde(default = "default_http_listen")]
    pub http_listen: SocketAddr,
    /// How agents reach `http_listen`, for a repository on a file system. Absent: by its address.
    #[serde(default)]
    pub http_url: Option<String>,
    /// The repository's URL.
    pub repository: String,
    /// Where the cache lies; losing it loses no snapshot.
    pub state_dir: PathBuf,
    /// The Kafka cluster that this coordinator backs up. Absent: the one that the first agent names.
    #[serde(default)]
    pub cluster_id: Option<String>,
    /// The age identity that unlocks id key and manifest keys of an encrypted repository.
    #[serde(default)]
    pub identity: Option<PathBuf>,
    /// Plain text on loopback addresses instead of mutual TLS.
    #[serde(default)]
    pub insecure: bool,
    /// When and how snapshots are taken.
    #[serde(default)]
    pub snapshot: Snapshot,
    /// How many snapshots are kept. Read and checked, not applied yet.
    #[serde(default)]
    pub retention: Retention,
    /// The certificates of mutual TLS.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Commands by which applications checkpoint their own state with the same moment.
    #[serde(default)]
    pub hooks: Vec<Hook>,
}

/// `[snapshot]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Take one this often, as `"15m"`. Absent: only when an operator asks.
    #[serde(default, deserialize_with = "optional_duration")]
    pub every: Option<Duration>,
    /// What a replica that cannot be vouched for or shipped means.
    #[serde(default)]
    pub require: Require,
    /// The level that every snapshot must reach unless its request says otherwise: it is begun three times, then it fails.
    #[serde(default)]
    pub require_consistency: Consistency,
}

/// How consistent the partitions of a snapshot must be with each other (docs/CONSISTENCY.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// Each partition for itself.
    #[default]
    CrashConsistent,
    /// Transactions and group offsets too, but for those that the snapshot names.
    BestEffort,
    /// No transaction torn, no group past its data.
    Transactional,
}

impl From<Consistency> for Level {
    fn from(consistency: Consistency) -> Self {
        match consistency {
            Consistency::CrashConsistent => Self::CrashConsistent,
            Consistency::BestEffort => Self::BestEffort,
            Consistency::Transactional => Self::Transactional,
        }
    }
}

/// What must be in a snapshot for it to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// Every partition, vouched for by every in-sync replica; otherwise the snapshot fails.
    #[default]
    All,
    /// Whatever one replica can be read of; what is missing or not vouched for becomes a named gap.
    OneReplica,
}

/// `[retention]`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// The newest so many.
    #[serde(default)]
    pub last: Option<u32>,
    /// One an hour, for so many hours.
    #[serde(default)]
    pub hourly: Option<u32>,
    /// One a day.
    #[serde(default)]
    pub daily: Option<u32>,
    /// One a month.
    #[serde(default)]
    pub monthly: Option<u32>,
}

impl Retention {
    /// Whether anything is limited at all.
    pub(crate) fn is_set(&self) -> bool {
        [self.last, self.hourly, self.daily, self.monthly]
            .iter()
            .any(Option::is_some)
    }
}

/// `[tls]`: PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The authority that signs the agents' and operators' certificates.
    pub ca: PathBuf,
    /// The coordinator's certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read configuration {path}: {source}; give its path with --config")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file does not say what it must.
    #[error(
        "parse configuration {path}, line {line}: {reason}; correct it there, README.md shows a whole coordinator.toml"
    )]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A hook that cannot be run.
    #[error("configure hook {name:?}: {why}; give each of [[hooks]] a name, a command and at least one moment")]
    Hook {
        /// Its name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Neither TLS nor `insecure`.
    #[error(
        "start without [tls]: agents could not be told from strangers; set [tls] ca, cert and key, or insecure = true on loopback"
    )]
    NoTls,
    /// Both TLS and `insecure`.
    #[error("start with both [tls] and insecure = true: choose one")]
    TlsAndInsecure,
    /// Plain text beyond this host.
    #[error(
        "listen on {address} with insecure = true: plain text is for loopback addresses only; use 127.0.0.1 or set [tls]"
    )]
    InsecureBeyondLoopback {
        /// The address refused.
        address: SocketAddr,
    },
}

impl ConfigError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config-unreadable",
            Self::Parse { .. } => "config-invalid",
            Self::Hook { .. } => "config-hook-invalid",
            Self::NoTls => "config-no-tls",
            Self::TlsAndInsecure => "config-tls-and-insecure",
            Self::InsecureBeyondLoopback { .. } => "config-insecure-beyond-loopback",
        }
    }
}

impl Config {
    /// Reads a file and checks that its settings go together.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config = Self::parse(&text, path)?;
        config.check()?;
        Ok(config)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            line: error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1),
            reason: error.message().trim_end().replace('\n', ", "),
        })
    }

    /// Refuses settings that don't go together.
    pub fn check(&self) -> Result<(), ConfigError> {
        for hook in &self.hooks {
            if let Some(why) = hook.flaw() {
                let name = hook.name.clone();
                return Err(ConfigError::Hook { name, why });
            }
        }
        match (self.insecure, &self.tls) {
            (true, Some(_)) => return Err(ConfigError::TlsAndInsecure),
            (false, None) => return Err(ConfigError::NoTls),
            (false, Some(_)) => return Ok(()),
            (true, None) => {}
        }
        match [self.listen, self.http_listen]
            .into_iter()
            .find(|address| !address.ip().is_loopback())
        {
            Some(address) => Err(ConfigError::InsecureBeyondLoopback { address }),
            None => Ok(()),
        }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 7420)
}

fn default_http_listen() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7421)
}

fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{text:?} is no duration: write a number above 0 with s, m, h or d, as \"15m\""
        ))
    })
}

/// Reads `30s`, `15m`, `6h`, `1d`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits)?;
    let count: u64 = digits.parse().ok()?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    count
        .checked_mul(seconds)
        .filter(|total| *total > 0)
        .map(Duration::from_secs)
}
