//! The Kafka node that the agent is beside: what its `server.properties` and its log dirs' `meta.properties` say, and whether
//! they agree.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxbrod_kafka::{
    ClusterId, DirectoryId, MetaProperties, NodeId, Properties, PropertiesError, Role, ServerProperties,
};

use crate::config::{Config, ConfigError};
use crate::log_dir::LogDir;

#[cfg(test)]
mod tests;

/// Settings that a restore must know, or that tell an operator how the node was set up. Nothing secret is among them.
const TOLD: [&str; 26] = [
    "advertised.listeners",
    "broker.rack",
    "controller.listener.names",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.voters",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.cleanup.policy",
    "log.dir",
    "log.dirs",
    "log.index.interval.bytes",
    "log.index.size.max.bytes",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.retention.bytes",
    "log.retention.hours",
    "log.retention.minutes",
    "log.retention.ms",
    "log.roll.hours",
    "log.roll.ms",
    "log.segment.bytes",
    "metadata.log.dir",
    "min.insync.replicas",
    "node.id",
    "process.roles",
];

/// A Kafka node, as its files describe it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) cluster_id: ClusterId,
    pub(crate) node_id: NodeId,
    pub(crate) roles: Vec<Role>,
    /// Where partitions are. Empty on a node that is a controller only.
    pub(crate) log_dirs: Vec<Arc<LogDir>>,
    /// Where `__cluster_metadata-0` is; one of `log_dirs`, or a directory of its own.
    pub(crate) metadata_log_dir: Arc<LogDir>,
    /// `controller.quorum.voters`; empty with a dynamic quorum.
    pub(crate) quorum_voters: String,
    /// Settings that a restore must know, verbatim.
    pub(crate) settings: BTreeMap<String, String>,
}

/// What the configuration says before any log dir was looked at.
struct Claim {
    node_id: NodeId,
    /// Which file says so.
    said_by: PathBuf,
    roles: Vec<Role>,
    log_dirs: Vec<PathBuf>,
    metadata_log_dir: PathBuf,
    quorum_voters: String,
    settings: BTreeMap<String, String>,
}

impl Node {
    /// Reads the node's files.
    pub(crate) fn read(config: &Config) -> Result<Self, ConfigError> {
        let claim = Claim::read(config)?;
        let mut identities: Vec<(PathBuf, MetaProperties)> = Vec::new();
        let mut open = |path: &Path| open_log_dir(path, &claim, &mut identities);
        let log_dirs: Vec<Arc<LogDir>> = claim.log_dirs.iter().map(|path| open(path)).collect::<Result<_, _>>()?;
        let metadata_log_dir = match claim.log_dirs.iter().position(|path| *path == claim.metadata_log_dir) {
            Some(index) => log_dirs.get(index).map(Arc::clone),
            None => None,
        };
        let metadata_log_dir = match metadata_log_dir {
            Some(log_dir) => log_dir,
            None => open(&claim.metadata_log_dir)?,
        };
        let is_broker = claim.roles.contains(&Role::Broker);
        // `claim.log_dirs` is never empty, so there is an identity.
        let cluster_id = identities
            .first()
            .map(|(_, meta)| meta.cluster_id.clone())
            .unwrap_or(ClusterId(String::new()));
        Ok(Self {
            cluster_id,
            node_id: claim.node_id,
            roles: claim.roles,
            log_dirs: if is_broker { log_dirs } else { Vec::new() },
            metadata_log_dir,
            quorum_voters: claim.quorum_voters,
            settings: claim.settings,
        })
    }

    /// Whether the node votes on the metadata: only then is it asked for its metadata log.
    pub(crate) fn is_controller(&self) -> bool {
        self.roles.contains(&Role::Controller)
    }
}

impl Claim {
    fn read(config: &Config) -> Result<Self, ConfigError> {
        let (kafka, config_path) = (&config.kafka, &config.path);
        let mut claim = match &kafka.server_properties {
            Some(path) => Self::from_server_properties(path)?,
            None => Self {
                node_id: NodeId(-1),
                said_by: config_path.to_owned(),
                roles: match &kafka.metadata_log_dir {
                    Some(_) => vec![Role::Broker, Role::Controller],
                    None => vec![Role::Broker],
                },
                log_dirs: Vec::new(),
                metadata_log_dir: PathBuf::new(),
                quorum_voters: String::new(),
                settings: BTreeMap::new(),
            },
        };
        if let Some(node_id) = kafka.node_id {
            claim.node_id = NodeId(node_id);
            claim.said_by = config_path.to_owned();
        }
        if let Some(log_dirs) = &kafka.log_dirs {
            // Unless metadata.log.dir is set, Kafka takes the first log dir.
            if claim
                .log_dirs
                .first()
                .is_none_or(|first| *first == claim.metadata_log_dir)
            {
                claim.metadata_log_dir = log_dirs.first().cloned().unwrap_or_default();
            }
            claim.log_dirs.clone_from(log_dirs);
        }
        if let Some(metadata_log_dir) = &kafka.metadata_log_dir {
            claim.metadata_log_dir.clone_from(metadata_log_dir);
        }
        if let Some(roles) = &kafka.roles {
            claim.roles.clone_from(roles);
        }
        if claim.log_dirs.is_empty() {
            return Err(ConfigError::Setting {
                path: config_path.to_owned(),
                setting: "kafka.log_dirs",
                reason: "it is empty; name the node's log dirs, or give kafka.server_properties".to_owned(),
            });
        }
        Ok(claim)
    }

    fn from_server_properties(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|reason| ConfigError::Read {
            path: path.to_owned(),
            reason,
        })?;
        let server = ServerProperties::parse(&text).map_err(|error| {
            let setting = match &error {
                PropertiesError::Missing(setting) => setting,
                PropertiesError::Invalid { key, .. } => key,
            };
            let remedy = match *setting {
                "log.dirs" => "name the node's log dirs there (Kafka's default, /tmp/kafka-logs, is not worth a backup), or as kafka.log_dirs in agent.toml",
                "process.roles" => "set broker, controller or both; nodes with ZooKeeper are not supported",
                _ => "correct it as Kafka's documentation says",
            };
            ConfigError::ServerProperties { path: path.to_owned(), setting, reason: format!("{error}; {remedy}") }
        })?;
        let properties = Properties::parse(&text);
        let told = |key: &&str| properties.get(key).map(|value| ((*key).to_owned(), value.to_owned()));
        Ok(Self {
            node_id: server.node_id,
            said_by: path.to_owned(),
            roles: server.roles,
            log_dirs: server.log_dirs.into_iter().map(PathBuf::from).collect(),
            metadata_log_dir: PathBuf::from(server.metadata_log_dir),
            quorum_voters: server.controller_quorum_voters,
            settings: TOLD.iter().filter_map(told).collect(),
        })
    }
}

/// Opens a log dir and checks that it belongs to the node, and to the cluster of the log dirs before it.
fn open_log_dir(
    path: &Path,
    claim: &Claim,
    identities: &mut Vec<(PathBuf, MetaProperties)>,
) -> Result<Arc<LogDir>, ConfigError> {
    let unreadable = |reason| ConfigError::LogDir {
        path: path.to_owned(),
        reason,
    };
    // The listing proves the permission to list.
    std::fs::read_dir(path).map_err(unreadable)?;
    let meta_path = path.join("meta.properties");
    let text = match std::fs::read_to_string(&meta_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ConfigError::NotFormatted { path: meta_path });
        }
        other => other.map_err(|reason| ConfigError::Read {
            path: meta_path.clone(),
            reason,
        })?,
    };
    let malformed = |reason: String| ConfigError::MetaProperties {
        path: meta_path.clone(),
        reason,
    };
    let meta = MetaProperties::parse(&text).map_err(|error| malformed(error.to_string()))?;
    let foreign = |what, found: String, expected: String, expected_from: &Path| ConfigError::Foreign {
        path: meta_path.clone(),
        what,
        found,
        expected,
        expected_from: expected_from.display().to_string(),
    };
    if meta.node_id != claim.node_id {
        return Err(foreign(
            "node.id",
            meta.node_id.to_string(),
            claim.node_id.to_string(),
            &claim.said_by,
        ));
    }
    if let Some((first, other)) = identities.first()
        && meta.cluster_id != other.cluster_id
    {
        return Err(foreign(
            "cluster.id",
            meta.cluster_id.to_string(),
            other.cluster_id.to_string(),
            first,
        ));
    }
    let id: DirectoryId = meta
        .directory_id
        .ok_or_else(|| malformed("it has no directory.id; start the node once, Kafka then writes one".to_owned()))?;
    if let Some((first, _)) = identities.iter().find(|(_, other)| other.directory_id == Some(id)) {
        return Err(ConfigError::DuplicateDirectory {
            first: first.clone(),
            second: meta_path,
            id: id.to_string(),
        });
    }
    identities.push((meta_path, meta));
    LogDir::open(path, id).map_err(unreadable)
}
