//! The repository's first object: what it is and who can read it.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document;
use crate::error::{Error, Result};
use crate::id::RepositoryId;
use crate::identity::Recipient;
use crate::key::{KeyObject, KeyPurpose};
use crate::name::CONFIG;

#[cfg(test)]
mod tests;

/// The newest format that this build reads and writes.
pub const FORMAT_VERSION: u64 = 1;
/// The features beyond the format version that this build knows.
const FEATURES: [&str; 0] = [];
const FORMAT: &str = "maxbrod-repository";

/// The object `config`. It is created once and never changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// `maxbrod-repository`.
    format: String,
    /// Who reads less refuses.
    pub format_version: u64,
    /// Who knows less refuses.
    pub required_features: Vec<String>,
    /// The repository's name.
    pub repository_id: RepositoryId,
    /// When it was made.
    pub created: Timestamp,
    /// Whether and for whom it is encrypted.
    pub encryption: Encryption,
}

/// Whether and for whom a repository is encrypted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum Encryption {
    /// Not at all.
    None {
        /// The key of the content ids, in plain.
        id_key: PlainKey,
    },
    /// Keys wrapped by `age`, content sealed by XChaCha20-Poly1305.
    Age {
        /// The operators: they can read everything.
        recipients: Vec<Recipient>,
        /// The coordinator, and who stands in for it: they can read manifests, never data.
        coordinator_recipients: Vec<Recipient>,
        /// The key of the content ids, wrapped for both. Later copies lie in `keys/<key id>/<n>`.
        id_key: KeyObject,
    },
}

/// 32 bytes in plain.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlainKey(crate::id::Hash);

impl PlainKey {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(crate::id::Hash(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl std::fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlainKey(..)")
    }
}

impl Config {
    pub(crate) fn new(repository_id: RepositoryId, created: Timestamp, encryption: Encryption) -> Self {
        Self {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            required_features: Vec::new(),
            repository_id,
            created,
            encryption,
        }
    }

    /// Whether contents are encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.encryption, Encryption::Age { .. })
    }

    /// The operators' recipients as of `init`: whom data keys are wrapped for. Empty when not encrypted.
    pub fn recipients(&self) -> &[Recipient] {
        match &self.encryption {
            Encryption::None { .. } => &[],
            Encryption::Age { recipients, .. } => recipients,
        }
    }

    /// Everyone whom manifest keys are wrapped for.
    pub fn manifest_recipients(&self) -> Vec<Recipient> {
        match &self.encryption {
            Encryption::None { .. } => Vec::new(),
            Encryption::Age {
                recipients,
                coordinator_recipients,
                ..
            } => recipients.iter().chain(coordinator_recipients).cloned().collect(),
        }
    }

    pub(crate) fn encode(&self) -> Result<Bytes> {
        document::encode(self, CONFIG)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        /// What every version of the object has: enough to refuse the rest.
        #[derive(Deserialize)]
        struct Head {
            format: String,
            format_version: u64,
            #[serde(default)]
            required_features: Vec<String>,
        }
        let damaged =
            |source: serde_json::Error| Error::damaged(CONFIG, format!("it is no repository config: {source}"));
        let json = document::json(bytes, CONFIG)?;
        let head: Head = serde_json::from_slice(json).map_err(damaged)?;
        if head.format != FORMAT {
            return Err(Error::damaged(
                CONFIG,
                format!("its format is {:?}, not {FORMAT:?}", head.format),
            ));
        }
        if head.format_version > FORMAT_VERSION {
            return Err(Error::NewerFormat {
                object: CONFIG.to_owned(),
                found: head.format_version,
                supported: FORMAT_VERSION,
            });
        }
        let features: Vec<_> = head
            .required_features
            .into_iter()
            .filter(|feature| !FEATURES.contains(&feature.as_str()))
            .collect();
        if !features.is_empty() {
            return Err(Error::UnknownFeatures {
                object: CONFIG.to_owned(),
                features,
            });
        }
        let config: Self = serde_json::from_slice(json).map_err(damaged)?;
        if let Encryption::Age { id_key, recipients, .. } = &config.encryption {
            if id_key.purpose != KeyPurpose::Id {
                return Err(Error::damaged(CONFIG, "its id key is of another purpose"));
            }
            if recipients.is_empty() {
                return Err(Error::damaged(CONFIG, "it names no recipient"));
            }
        }
        Ok(config)
    }
}
