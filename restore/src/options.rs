//! What an operator can choose about a restore.

use std::path::PathBuf;
use std::str::FromStr;

use maxbrod_kafka::NodeId;

use crate::error::Error;

/// The choices that a plan is made by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// Only these nodes; empty: all.
    pub nodes: Vec<NodeId>,
    /// Directories to put elsewhere.
    pub maps: Vec<PathMap>,
    /// Whether retention must not delete restored data until the operator lifts that.
    pub hold_retention: bool,
    /// Whether partitions that the snapshot does not hold are restored empty; otherwise such a snapshot is refused.
    pub accept_gaps: bool,
}

impl Default for PlanOptions {
    /// Everything, where it was, retention held back.
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            maps: Vec::new(),
            hold_retention: true,
            accept_gaps: false,
        }
    }
}

/// Puts a node's directory elsewhere: `N:OLD=NEW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMap {
    /// The node.
    pub node: NodeId,
    /// The directory in the snapshot.
    pub old: PathBuf,
    /// Where it is restored to.
    pub new: PathBuf,
}

impl FromStr for PathMap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = |reason: &str| Error::Map {
            map: text.to_owned(),
            reason: reason.to_owned(),
        };
        let form = "it looks like 1:/old/dir=/new/dir";
        let (node, paths) = text.split_once(':').ok_or_else(|| error(form))?;
        let (old, new) = paths.split_once('=').ok_or_else(|| error(form))?;
        let node = node.parse().map(NodeId).map_err(|_| error(form))?;
        let (old, new) = (PathBuf::from(old), PathBuf::from(new));
        if !old.is_absolute() || !new.is_absolute() {
            return Err(error("both directories are given by their absolute paths"));
        }
        Ok(Self { node, old, new })
    }
}
