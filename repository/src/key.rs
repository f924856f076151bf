//! The keys of a repository: one that names chunks, and many that seal them.
//!
//! A data key is made by an agent and wrapped for the operators alone: nobody else can read what it sealed, once the
//! agent has forgotten the key. A manifest key is wrapped for the coordinator too.

mod object;
mod store;

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use zeroize::Zeroizing;

pub use object::{KeyObject, KeyPurpose};
pub use store::KeyStore;

use crate::environment::Random;
use crate::error::Result;
use crate::id::{ContentId, KeyId};
use crate::identity::{Recipient, wrap};

/// The key of the content ids: what makes an id useless to one who guesses contents.
#[derive(Clone)]
pub struct IdKey(Arc<Zeroizing<[u8; 32]>>);

impl IdKey {
    /// A new one.
    pub fn random(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(bytes.as_mut());
        Self(Arc::new(bytes))
    }

    /// From 32 bytes, as an agent gets them from its coordinator.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        Some(Self(Arc::new(Zeroizing::new(bytes))))
    }

    /// The bytes, for an enrolled agent.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of plain bytes.
    pub fn id_of(&self, body: &[u8]) -> ContentId {
        ContentId(*blake3::keyed_hash(&self.0, body).as_bytes())
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey(..)")
    }
}

/// A key that seals chunks or nodes. Cheap to clone.
#[derive(Clone)]
pub struct SealingKey {
    id: KeyId,
    secret: Arc<Zeroizing<[u8; 32]>>,
}

impl SealingKey {
    /// A new one.
    pub fn generate(random: &dyn Random) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        random.fill(secret.as_mut());
        Self {
            id: KeyId::random(random),
            secret: Arc::new(secret),
        }
    }

    pub(crate) fn from_slice(id: KeyId, secret: &[u8]) -> Option<Self> {
        let secret: [u8; 32] = secret.try_into().ok()?;
        Some(Self {
            id,
            secret: Arc::new(Zeroizing::new(secret)),
        })
    }

    /// Its name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Encrypts it for recipients: the `age` file that a [`KeyObject`] holds.
    pub fn wrap(&self, recipients: &[Recipient]) -> Result<Vec<u8>> {
        wrap(self.secret.as_slice(), recipients)
    }

    pub(crate) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.secret.as_slice().into())
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealingKey").field(&self.id).finish()
    }
}
