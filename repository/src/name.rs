//! The names of objects. None is ever used twice.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maxbrod_kafka::ClusterId;
use maxbrod_proto::manifest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

#[cfg(test)]
mod tests;

/// The repository's first object.
pub(crate) const CONFIG: &str = "config";

fn malformed(what: &'static str, text: &str, reason: &'static str) -> Error {
    Error::Name {
        what,
        text: text.to_owned(),
        reason,
    }
}

/// What `<run>/<epoch>-<sequence>` consists of.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident, $what:literal, $folder:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            /// The run that wrote it.
            pub run: u64,
            /// The coordinator's epoch that gave the name.
            pub epoch: u64,
            /// Counts within run and epoch.
            pub sequence: u64,
        }

        impl $name {
            /// The folder within the cluster's.
            pub const FOLDER: &'static str = $folder;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}-{}", self.run, self.epoch, self.sequence)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                let parse = || {
                    let (run, rest) = text.split_once('/')?;
                    let (epoch, sequence) = rest.split_once('-')?;
                    let name = Self { run: run.parse().ok()?, epoch: epoch.parse().ok()?, sequence: sequence.parse().ok()? };
                    // One spelling only: no "+1", no "01".
                    (name.to_string() == text).then_some(name)
                };
                parse().ok_or_else(|| malformed($what, text, "expected <run>/<epoch>-<sequence>"))
            }
        }

        text_in_json!($name);
    };
}

macro_rules! text_in_json {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

numbered!(
    /// A pack: `packs/<run>/<epoch>-<sequence>`.
    PackName,
    "pack name",
    "packs"
);
numbered!(
    /// An object of manifest nodes: `trees/<run>/<epoch>-<sequence>`.
    TreeName,
    "tree name",
    "trees"
);
numbered!(
    /// A manifest root: `roots/<run>/<epoch>-<sequence>`.
    RootName,
    "root name",
    "roots"
);

impl From<PackName> for manifest::PackName {
    fn from(name: PackName) -> Self {
        Self {
            run: name.run,
            epoch: name.epoch,
            sequence: name.sequence,
        }
    }
}

impl From<&manifest::PackName> for PackName {
    fn from(name: &manifest::PackName) -> Self {
        Self {
            run: name.run,
            epoch: name.epoch,
            sequence: name.sequence,
        }
    }
}

/// Names a snapshot to operators: `<YYYYMMDDTHHMMSSZ>-<run>`, the time of phase M and the run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(String);

impl SnapshotId {
    /// The id of the snapshot of a run.
    pub fn new(time: Timestamp, run: u64) -> Self {
        Self(format!(
            "{}-{run}",
            time.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ")
        ))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The run that it is of.
    pub fn run(&self) -> u64 {
        // Checked when it was made.
        self.0
            .rsplit_once('-')
            .and_then(|(_, run)| run.parse().ok())
            .unwrap_or_default()
    }
}

impl FromStr for SnapshotId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (time, run) = text.split_once('-')?;
            let run = run.parse().ok()?;
            let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
            let id = Self::new(time.to_zoned(TimeZone::UTC).ok()?.timestamp(), run);
            (id.0 == text).then_some(id)
        };
        parse().ok_or_else(|| malformed("snapshot id", text, "expected <YYYYMMDDTHHMMSSZ>-<run>"))
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_in_json!(SnapshotId);

/// The names of one cluster's objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNames {
    folder: String,
}

impl ClusterNames {
    /// Of a cluster. Its id must be fit to be part of a name; Kafka's own ids are.
    pub fn new(cluster: &ClusterId) -> Result<Self> {
        let ClusterId(text) = cluster;
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(fit) {
            return Err(malformed(
                "cluster id",
                text,
                "expected 1 to 64 letters, digits, '-' and '_'",
            ));
        }
        Ok(Self {
            folder: format!("clusters/{text}"),
        })
    }

    /// The folder of everything.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The folder of the journal's entries.
    pub fn journal(&self) -> String {
        format!("{}/journal", self.folder)
    }

    /// A journal entry.
    pub fn entry(&self, n: u64) -> String {
        format!("{}/journal/{n:020}", self.folder)
    }

    /// A pack.
    pub fn pack(&self, name: PackName) -> String {
        format!("{}/packs/{name}", self.folder)
    }

    /// The folder of all packs.
    pub fn packs(&self) -> String {
        format!("{}/packs", self.folder)
    }

    /// An object of manifest nodes.
    pub fn tree(&self, name: TreeName) -> String {
        format!("{}/trees/{name}", self.folder)
    }

    /// The folder of all objects of manifest nodes.
    pub fn trees(&self) -> String {
        format!("{}/trees", self.folder)
    }

    /// A manifest root.
    pub fn root(&self, name: RootName) -> String {
        format!("{}/roots/{name}", self.folder)
    }

    /// The folder of all manifest roots.
    pub fn roots(&self) -> String {
        format!("{}/roots", self.folder)
    }
}

/// The n of a journal entry's name.
pub(crate) fn entry_number(object: &str) -> Option<u64> {
    let name = object.rsplit('/').next()?;
    (name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.parse().ok())?
}

/// The folder of a key's wrapped copies.
pub(crate) fn key_folder(key: crate::id::KeyId) -> String {
    format!("keys/{key}")
}

/// A wrapped copy of a key.
pub(crate) fn key_object(key: crate::id::KeyId, n: u64) -> String {
    format!("keys/{key}/{n}")
}
