//! `agent.toml`: where the coordinator is, which Kafka node this is, and how much the agent may take.

mod error;
mod size;

use std::path::{Path, PathBuf};

use maxbrod_kafka::Role;
use serde::{Deserialize, Deserializer};

pub use error::ConfigError;
pub use size::{ByteSize, MinFree, SizeError};

#[cfg(test)]
mod tests;

/// The agent's configuration, as `agent.toml` gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// URL of the coordinator, `https://host:7420`.
    pub coordinator: String,
    /// Where the agent keeps its database and the packs that it has not uploaded yet. Its own disk, if there is a choice.
    pub state_dir: PathBuf,
    /// Plain text instead of TLS. Accepted for coordinators on the loopback interface only.
    #[serde(default)]
    pub insecure: bool,
    /// Which Kafka node this is.
    pub kafka: Kafka,
    /// How much the agent may take.
    #[serde(default)]
    pub limits: Limits,
    /// The agent's certificate; required unless `insecure`.
    pub tls: Option<Tls>,
    /// Where it was read from; for messages.
    #[serde(skip)]
    pub path: PathBuf,
}

/// Where the Kafka node's settings are, or the settings themselves.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kafka {
    /// The broker's or controller's own configuration file. What is given below replaces what it says.
    pub server_properties: Option<PathBuf>,
    /// `node.id`.
    pub node_id: Option<i32>,
    /// `log.dirs`.
    pub log_dirs: Option<Vec<PathBuf>>,
    /// `metadata.log.dir`.
    pub metadata_log_dir: Option<PathBuf>,
    /// `process.roles`. Without server_properties and this: broker, and with a metadata_log_dir controller, too.
    #[serde(deserialize_with = "roles")]
    pub roles: Option<Vec<Role>>,
}

/// How much the agent may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bulk reading from the log dirs, all together. Absent: not limited.
    pub read_bytes_per_second: Option<ByteSize>,
    /// Below this much free space on a log dir's file system the agent gives way: see [`MinFree`].
    pub min_free: MinFree,
    /// Partitions that are read at the same time.
    pub ship_threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            read_bytes_per_second: None,
            min_free: MinFree::default(),
            ship_threads: 2,
        }
    }
}

/// Files in PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The authority that signed the coordinator's certificate.
    pub ca: PathBuf,
    /// The agent's certificate.
    pub cert: PathBuf,
    /// The agent's private key.
    pub key: PathBuf,
}

impl Config {
    /// Reads and checks a configuration file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
            path: path.to_owned(),
            reason: error,
        })?;
        Self::parse(&text, path)
    }

    /// Parses and checks a configuration; `path` is only used in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            line: error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1),
            reason: error.message().trim_end().replace('\n', ", "),
        })?;
        path.clone_into(&mut config.path);
        config.check(path)?;
        Ok(config)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let wrong = |setting: &'static str, reason: String| ConfigError::Setting {
            path: path.to_owned(),
            setting,
            reason,
        };
        let uri: tonic::transport::Uri = self
            .coordinator
            .parse()
            .map_err(|error| wrong("coordinator", format!("{:?} is not a URL: {error}", self.coordinator)))?;
        let host = uri.host().unwrap_or_default();
        if host.is_empty() || uri.port().is_none() {
            return Err(wrong(
                "coordinator",
                format!("{:?} names no host and port; write https://host:7420", self.coordinator),
            ));
        }
        match (uri.scheme_str(), self.insecure) {
            (Some("https"), false) if self.tls.is_some() => {}
            (Some("https"), false) => {
                return Err(wrong(
                    "tls",
                    "it is missing; give ca, cert and key: the agent's certificate must be signed by the coordinator's [tls] ca".to_owned(),
                ));
            }
            (Some("http"), true) if is_loopback(host) => {}
            (Some("http"), true) => {
                return Err(wrong(
                    "insecure",
                    format!("plain text is for loopback only, and {host} is not; use https and [tls]"),
                ));
            }
            (Some("http"), false) => {
                return Err(wrong(
                    "coordinator",
                    "http:// is plain text; use https://, or set insecure = true on loopback".to_owned(),
                ));
            }
            (_, true) => {
                return Err(wrong(
                    "insecure",
                    "it is set, but the coordinator's URL is not http://".to_owned(),
                ));
            }
            (scheme, _) => {
                return Err(wrong(
                    "coordinator",
                    format!("{scheme:?} is not a scheme known; use https://"),
                ));
            }
        }
        if self.kafka.server_properties.is_none() && (self.kafka.node_id.is_none() || self.kafka.log_dirs.is_none()) {
            let reason = "give kafka.server_properties, or both kafka.node_id and kafka.log_dirs".to_owned();
            return Err(wrong("kafka", reason));
        }
        if self.limits.ship_threads == 0 {
            return Err(wrong("limits.ship_threads", "at least one is needed".to_owned()));
        }
        if self.limits.read_bytes_per_second.is_some_and(|rate| rate.0 < 1 << 20) {
            return Err(wrong(
                "limits.read_bytes_per_second",
                "less than 1MiB would never get anywhere".to_owned(),
            ));
        }
        Ok(())
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Role>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Name {
        Broker,
        Controller,
    }
    let names = Vec::<Name>::deserialize(deserializer)?;
    let role = |name| match name {
        Name::Broker => Role::Broker,
        Name::Controller => Role::Controller,
    };
    Ok(Some(names.into_iter().map(role).collect()))
}
