//! What maxbrod needs to know of a `server.properties`.

use super::{Properties, PropertiesError, invalid, parse_node_id};
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
    /// `controller.quorum.bootstrap.servers`, each `host:port`; empty with static voters.
    pub controller_quorum_bootstrap_servers: Vec<String>,
    /// `log.segment.bytes`, by default 1 GiB.
    pub segment_bytes: i32,
    /// `log.index.interval.bytes`, by default 4,096.
    pub index_interval_bytes: i32,
    /// `log.index.size.max.bytes`, by default 10 MiB.
    pub segment_index_bytes: i32,
    /// `log.preallocate`, by default false: whether active segments are as long as they may become, zero behind their end.
    pub preallocate: bool,
}

impl ServerProperties {
    /// Reads the settings from a file's text.
    pub fn parse(text: &str) -> Result<Self, PropertiesError> {
        Self::from_properties(&Properties::parse(text))
    }

    /// Reads the settings.
    pub fn from_properties(properties: &Properties) -> Result<Self, PropertiesError> {
        let settings = Settings(properties);
        let log_dirs = settings.log_dirs()?;
        let metadata_log_dir = match (settings.optional("metadata.log.dir")?, log_dirs.first()) {
            (Some(dir), _) => dir.to_owned(),
            (None, Some(first)) => first.clone(),
            (None, None) => return Err(PropertiesError::Missing("log.dirs")),
        };
        Ok(Self {
            node_id: settings.node_id()?,
            roles: settings.roles()?,
            log_dirs,
            metadata_log_dir,
            controller_quorum_voters: settings
                .optional("controller.quorum.voters")?
                .unwrap_or_default()
                .to_owned(),
            controller_quorum_bootstrap_servers: list(
                settings
                    .optional("controller.quorum.bootstrap.servers")?
                    .unwrap_or_default(),
            ),
            segment_bytes: settings.number("log.segment.bytes", 1 << 30)?,
            index_interval_bytes: settings.number("log.index.interval.bytes", 4_096)?,
            segment_index_bytes: settings.number("log.index.size.max.bytes", 10 << 20)?,
            preallocate: settings.switch("log.preallocate", false)?,
        })
    }

    /// The node ids in `controller.quorum.voters`, each `id@host:port`; none with a dynamic quorum.
    pub fn static_voters(&self) -> Result<Vec<NodeId>, PropertiesError> {
        const KEY: &str = "controller.quorum.voters";
        let id = |voter: &String| match voter.split_once('@') {
            Some((id, _)) => parse_node_id(KEY, id),
            None => Err(invalid(KEY, voter, "a list of id@host:port")),
        };
        list(&self.controller_quorum_voters).iter().map(id).collect()
    }
}

/// The settings as Kafka takes them: blanks around a value don't count.
struct Settings<'a>(&'a Properties);

impl<'a> Settings<'a> {
    fn optional(&self, key: &'static str) -> Result<Option<&'a str>, PropertiesError> {
        let Some(value) = self.0.get(key).map(str::trim).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        // With providers configured Kafka reads the value from elsewhere (KIP-297), and this code does not.
        if value.contains("${") && self.0.get("config.providers").is_some() {
            let expected = "a plain value: Kafka's config providers are not asked";
            return Err(invalid(key, value, expected));
        }
        Ok(Some(value))
    }

    fn required(&self, key: &'static str) -> Result<&'a str, PropertiesError> {
        self.optional(key)?.ok_or(PropertiesError::Missing(key))
    }

    fn node_id(&self) -> Result<NodeId, PropertiesError> {
        match (self.optional("node.id")?, self.optional("broker.id")?) {
            (None, Some(id)) => parse_node_id("broker.id", id),
            (Some(id), _) => parse_node_id("node.id", id),
            (None, None) => Err(PropertiesError::Missing("node.id")),
        }
    }

    fn log_dirs(&self) -> Result<Vec<String>, PropertiesError> {
        let dirs = match self.optional("log.dirs")? {
            Some(dirs) => list(dirs),
            None => list(self.optional("log.dir")?.unwrap_or_default()),
        };
        if dirs.is_empty() {
            return Err(PropertiesError::Missing("log.dirs"));
        }
        Ok(dirs)
    }

    fn roles(&self) -> Result<Vec<Role>, PropertiesError> {
        list(self.required("process.roles")?)
            .iter()
            .map(|role| match role.as_str() {
                "broker" => Ok(Role::Broker),
                "controller" => Ok(Role::Controller),
                other => Err(invalid("process.roles", other, "broker or controller")),
            })
            .collect()
    }

    fn number(&self, key: &'static str, default: i32) -> Result<i32, PropertiesError> {
        let Some(text) = self.optional(key)? else {
            return Ok(default);
        };
        match text.parse() {
            Ok(number) if number >= 0 => Ok(number),
            _ => Err(invalid(key, text, "a number that is not negative")),
        }
    }

    fn switch(&self, key: &'static str, default: bool) -> Result<bool, PropertiesError> {
        match self.optional(key)? {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(invalid(key, text, "true or false")),
        }
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}
