//! Who may read: `age` recipients, and the identities that match them.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::str::FromStr;

use age::secrecy::ExposeSecret as _;
use age::{Decryptor, Encryptor, x25519};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::error::{Error, RecipientList, Result};

#[cfg(test)]
mod tests;

/// One that keys are wrapped for: an X25519 `age1…` recipient.
#[derive(Clone)]
pub struct Recipient(x25519::Recipient);

impl FromStr for Recipient {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let reason = |reason: &str| Error::Recipient {
            recipient: text.to_owned(),
            reason: reason.to_owned(),
        };
        text.trim().parse().map(Self).map_err(reason)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Recipient {}

impl Serialize for Recipient {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Recipient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Recipients as an error names them.
pub(crate) fn listed(recipients: &[Recipient]) -> RecipientList {
    RecipientList(recipients.iter().map(Recipient::to_string).collect())
}

/// Encrypts a secret for recipients, as an `age` file.
pub(crate) fn wrap(secret: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::store("wrapping", "a key", source);
    let encryptor = Encryptor::with_recipients(recipients.iter().map(|recipient| &recipient.0 as &dyn age::Recipient))
        .map_err(|source| failed(source.into()))?;
    let mut wrapped = Vec::new();
    let mut writer = encryptor
        .wrap_output(&mut wrapped)
        .map_err(|source| failed(source.into()))?;
    writer.write_all(secret).map_err(|source| failed(source.into()))?;
    writer.finish().map_err(|source| failed(source.into()))?;
    Ok(wrapped)
}

/// What became of an attempt to unwrap.
#[derive(Debug)]
pub(crate) enum Unwrapped {
    Secret(Zeroizing<Vec<u8>>),
    /// No identity matches.
    NoMatch,
    /// It is no `age` file, or a damaged one.
    Damaged(String),
}

/// The secrets that unlock a repository. Empty: none were given.
#[derive(Clone, Default)]
pub struct Identities {
    identities: Vec<x25519::Identity>,
}

impl Identities {
    /// None: enough for repositories that are not encrypted, and to read journals.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads an identity file as `age-keygen` writes it.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| Error::IdentityFile {
                path: path.display().to_string(),
                reason: source.to_string(),
            })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the content of an identity file; `path` is for messages.
    pub fn parse(text: &str, path: &str) -> Result<Self> {
        let error = |reason: String| Error::IdentityFile {
            path: path.to_owned(),
            reason,
        };
        let mut identities = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let identity = line.parse().map_err(|reason| {
                error(format!(
                    "line {}: {reason}; expected AGE-SECRET-KEY-1…, as age-keygen writes it",
                    index + 1
                ))
            })?;
            identities.push(identity);
        }
        if identities.is_empty() {
            return Err(error("it holds no identity (AGE-SECRET-KEY-1…)".to_owned()));
        }
        Ok(Self { identities })
    }

    /// Makes a new identity and writes it to a file that must not exist, readable by its owner alone.
    /// Returns its recipient.
    pub fn generate_file(path: &Path) -> Result<Recipient> {
        let error = |source: std::io::Error| Error::IdentityFile {
            path: path.display().to_string(),
            reason: source.to_string(),
        };
        let identity = x25519::Identity::generate();
        let recipient = Recipient(identity.to_public());
        let text = Zeroizing::new(format!(
            "# made by maxbrod; keep it apart from the repository, without it the backup can't be read\n\
             # public key: {recipient}\n{}\n",
            identity.to_string().expose_secret()
        ));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(error)?;
        file.write_all(text.as_bytes()).map_err(error)?;
        file.sync_all().map_err(error)?;
        Ok(recipient)
    }

    /// Whether none were given.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Adds others.
    pub fn extend(&mut self, other: Self) {
        self.identities.extend(other.identities);
    }

    /// The recipients that they match.
    pub fn recipients(&self) -> Vec<Recipient> {
        self.identities
            .iter()
            .map(|identity| Recipient(identity.to_public()))
            .collect()
    }

    pub(crate) fn unwrap(&self, wrapped: &[u8]) -> Unwrapped {
        let decryptor = match Decryptor::new_buffered(wrapped) {
            Ok(decryptor) => decryptor,
            Err(source) => return Unwrapped::Damaged(source.to_string()),
        };
        let identities = self.identities.iter().map(|identity| identity as &dyn age::Identity);
        let reader = match decryptor.decrypt(identities) {
            Ok(reader) => reader,
            Err(age::DecryptError::NoMatchingKeys) => return Unwrapped::NoMatch,
            Err(source) => return Unwrapped::Damaged(source.to_string()),
        };
        let mut secret = Zeroizing::new(Vec::with_capacity(64));
        // A key is 32 bytes: nothing longer is worth reading.
        match reader.take(4096).read_to_end(&mut secret) {
            Ok(_) => Unwrapped::Secret(secret),
            Err(source) => Unwrapped::Damaged(source.to_string()),
        }
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identities").field(&self.recipients()).finish()
    }
}
