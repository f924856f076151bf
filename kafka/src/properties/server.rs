//! What maxbrod needs to know of a `server.properties`.

use super::{Properties, PropertiesError, invalid};
use crate::ids::NodeId;

/// What a node does in the cluster (`process.roles`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Holds partitions.
    Broker,
    /// Votes on the metadata.
    Controller,
}

/// The settings of a node that its disks cannot be understood without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerProperties {
    /// `node.id`.
    pub node_id: NodeId,
    /// `process.roles`.
    pub roles: Vec<Role>,
    /// `log.dirs`, or `log.dir`. Kafka takes `/tmp/kafka-logs` where neither is set; here that is an error.
    pub log_dirs: Vec<String>,
    /// `metadata.log.dir`, by default the first log dir.
    pub metadata_log_dir: String,
    /// `controller.quorum.voters`; empty with a dynamic quorum.
    pub controller_quorum_voters: String,
    /// `log.segment.bytes`, by default 1 GiB.
    pub segment_bytes: i32,
    /// `log.index.interval.bytes`, by default 4,096.
    pub index_interval_bytes: i32,
    /// `log.index.size.max.bytes`, by default 10 MiB.
    pub segment_index_bytes: i32,
}

impl ServerProperties {
    /// Reads the settings.
    pub fn parse(text: &str) -> Result<Self, PropertiesError> {
        let properties = Properties::parse(text);
        let node_id = match properties.required("node.id") {
            Ok(node_id) => node_id,
            Err(missing) => properties.required("broker.id").map_err(|_| missing)?,
        };
        let node_id = NodeId(node_id.parse().map_err(|_| invalid("node.id", node_id, "a number"))?);
        let log_dirs = list(
            properties
                .required("log.dirs")
                .or_else(|missing| properties.required("log.dir").map_err(|_| missing))?,
        );
        let first = log_dirs.first().ok_or(PropertiesError::Missing("log.dirs"))?;
        let metadata_log_dir = properties
            .required("metadata.log.dir")
            .map_or_else(|_| first.clone(), str::to_owned);
        let roles = list(properties.required("process.roles")?)
            .iter()
            .map(|role| match role.as_str() {
                "broker" => Ok(Role::Broker),
                "controller" => Ok(Role::Controller),
                other => Err(invalid("process.roles", other, "broker or controller")),
            })
            .collect::<Result<_, _>>()?;
        let number = |key: &'static str, default: i32| match properties.required(key) {
            Ok(text) => text.parse().map_err(|_| invalid(key, text, "a number")),
            Err(_) => Ok(default),
        };
        Ok(Self {
            node_id,
            roles,
            metadata_log_dir,
            controller_quorum_voters: properties
                .get("controller.quorum.voters")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            segment_bytes: number("log.segment.bytes", 1 << 30)?,
            index_interval_bytes: number("log.index.interval.bytes", 4_096)?,
            segment_index_bytes: number("log.index.size.max.bytes", 10 << 20)?,
            log_dirs,
        })
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}
