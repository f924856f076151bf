//! The configs of a topic that decide how its log looks on disk, with the defaults behind them.

use super::*;

/// Whether a log is cut off at its old end, compacted, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are deleted.
    pub delete: bool,
    /// Only the last record of each key is kept.
    pub compact: bool,
}

impl CleanupPolicy {
    /// Reads `delete`, `compact` or both with a comma between; Kafka 4.2 also allows neither (KIP-1113).
    fn parse(text: &str) -> Option<Self> {
        let mut policy = Self {
            delete: false,
            compact: false,
        };
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "delete" => policy.delete = true,
                "compact" => policy.compact = true,
                "none" => {}
                _ => return None,
            }
        }
        Some(policy)
    }
}

/// What applies to a topic's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `retention.ms`; -1 is forever.
    pub retention_ms: i64,
    /// `retention.bytes`; -1 is without bound.
    pub retention_bytes: i64,
    /// `delete.retention.ms`: how long compaction keeps tombstones.
    pub delete_retention_ms: i64,
    /// `segment.bytes`.
    pub segment_bytes: u32,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u32,
    /// `segment.index.bytes`.
    pub segment_index_bytes: u32,
    /// `compression.type`; `producer` keeps what producers chose.
    pub compression_type: String,
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
    /// `remote.storage.enable`: whether old segments move to tiered storage.
    pub remote_storage_enable: bool,
}

impl Default for TopicConfig {
    /// Kafka's own defaults.
    fn default() -> Self {
        Self {
            cleanup_policy: CleanupPolicy {
                delete: true,
                compact: false,
            },
            retention_ms: 7 * 24 * 60 * 60 * 1000,
            retention_bytes: -1,
            delete_retention_ms: 24 * 60 * 60 * 1000,
            segment_bytes: 1 << 30,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            compression_type: "producer".to_owned(),
            min_insync_replicas: 1,
            remote_storage_enable: false,
        }
    }
}

/// What a broker calls the default of a topic config, in the order of precedence, with the factor to the topic's unit.
const BROKER_NAMES: [(&str, &[(&str, i64)]); 9] = [
    ("cleanup.policy", &[("log.cleanup.policy", 1)]),
    (
        "retention.ms",
        &[
            ("log.retention.ms", 1),
            ("log.retention.minutes", 60_000),
            ("log.retention.hours", 3_600_000),
        ],
    ),
    ("retention.bytes", &[("log.retention.bytes", 1)]),
    ("delete.retention.ms", &[("log.cleaner.delete.retention.ms", 1)]),
    ("segment.bytes", &[("log.segment.bytes", 1)]),
    ("index.interval.bytes", &[("log.index.interval.bytes", 1)]),
    ("segment.index.bytes", &[("log.index.size.max.bytes", 1)]),
    ("compression.type", &[("compression.type", 1)]),
    ("min.insync.replicas", &[("min.insync.replicas", 1)]),
];

impl TopicConfig {
    /// The defaults of a broker, `get` being its `server.properties`.
    pub fn of_broker<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let mut config = Self::default();
        config.overlay_broker(get);
        config
    }

    fn overlay_broker<'a>(&mut self, get: impl Fn(&str) -> Option<&'a str>) {
        for (key, names) in BROKER_NAMES {
            let set = names
                .iter()
                .find_map(|(name, factor)| get(name).map(|value| (value, *factor)));
            match set {
                Some((value, 1)) => self.set(key, value),
                Some((value, factor)) => {
                    // A negative time is no limit in any unit.
                    if let Ok(number) = value.trim().parse::<i64>() {
                        let scaled = if number < 0 {
                            number
                        } else {
                            number.saturating_mul(factor)
                        };
                        self.set(key, &scaled.to_string());
                    }
                }
                None => {}
            }
        }
    }

    /// Sets one; a value that is none is passed over, as Kafka does not let one be set in the first place.
    fn set(&mut self, key: &str, value: &str) {
        fn number<T: std::str::FromStr>(field: &mut T, value: &str) {
            if let Ok(value) = value.trim().parse() {
                *field = value;
            }
        }
        match key {
            "cleanup.policy" => self.cleanup_policy = CleanupPolicy::parse(value).unwrap_or(self.cleanup_policy),
            "retention.ms" => number(&mut self.retention_ms, value),
            "retention.bytes" => number(&mut self.retention_bytes, value),
            "delete.retention.ms" => number(&mut self.delete_retention_ms, value),
            "segment.bytes" => number(&mut self.segment_bytes, value),
            "index.interval.bytes" => number(&mut self.index_interval_bytes, value),
            "segment.index.bytes" => number(&mut self.segment_index_bytes, value),
            "compression.type" => value.trim().clone_into(&mut self.compression_type),
            "min.insync.replicas" => number(&mut self.min_insync_replicas, value),
            "remote.storage.enable" => number(&mut self.remote_storage_enable, value),
            _ => {}
        }
    }
}

impl MetadataImage {
    /// What applies to a topic: its own configs, behind them those set for all brokers at run time, behind them `defaults`
    /// (of its brokers' `server.properties`).
    pub fn topic_config(&self, topic: &str, defaults: &TopicConfig) -> TopicConfig {
        let mut config = defaults.clone();
        let brokers = self.configs.get(&ConfigResource::all_brokers());
        config.overlay_broker(|name| brokers?.get(name)?.value.as_deref());
        for (key, record) in self.configs.get(&ConfigResource::topic(topic)).into_iter().flatten() {
            if let Some(value) = &record.value {
                config.set(key, value);
            }
        }
        config
    }
}
