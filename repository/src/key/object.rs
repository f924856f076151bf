//! A wrapped key as it lies in the repository: `keys/<key id>/<n>`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::document;
use crate::error::{Error, Result};
use crate::id::KeyId;
use crate::identity::Recipient;

/// The newest version of the object that this build reads.
const VERSION: u64 = 1;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPurpose {
    /// Names content.
    Id,
    /// Seals chunks.
    Data,
    /// Seals nodes and roots.
    Manifest,
}

/// A wrapped copy of a key. A further copy (`n` + 1) adds recipients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyObject {
    /// Of this object's format: 1.
    pub version: u64,
    /// The key.
    pub key_id: KeyId,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// Who can unwrap it.
    pub recipients: Vec<Recipient>,
    /// The `age` file that holds the 32 bytes.
    #[serde(serialize_with = "base64_out", deserialize_with = "base64_in")]
    pub age: Vec<u8>,
}

impl KeyObject {
    /// A copy of a key that was wrapped for these recipients.
    pub fn new(key_id: KeyId, purpose: KeyPurpose, recipients: Vec<Recipient>, age: Vec<u8>) -> Self {
        Self {
            version: VERSION,
            key_id,
            purpose,
            recipients,
            age,
        }
    }

    pub(crate) fn encode(&self) -> Result<Bytes> {
        document::encode(self, "a key")
    }

    pub(crate) fn decode(bytes: &[u8], object: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let damaged = |source: serde_json::Error| Error::damaged(object, format!("it is no key object: {source}"));
        let json = document::json(bytes, object)?;
        let Versioned { version } = serde_json::from_slice(json).map_err(damaged)?;
        if version > VERSION {
            return Err(Error::NewerFormat {
                object: object.to_owned(),
                found: version,
                supported: VERSION,
            });
        }
        serde_json::from_slice(json).map_err(damaged)
    }
}

pub(crate) fn base64_out<S: Serializer>(bytes: &[u8], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

pub(crate) fn base64_in<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<u8>, D::Error> {
    STANDARD
        .decode(String::deserialize(deserializer)?)
        .map_err(serde::de::Error::custom)
}
