//! Finds keys by their names and unlocks them with the identities given.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{KeyObject, KeyPurpose, SealingKey};
use crate::error::{Error, Result};
use crate::id::KeyId;
use crate::identity::{Identities, Recipient, Unwrapped, listed};
use crate::name::{key_folder, key_object};
use crate::store::{Created, Store};

/// The repository's sealing keys, unlocked as they are needed and kept in memory. Cheap to clone.
#[derive(Clone)]
pub struct KeyStore {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    identities: Identities,
    unlocked: Mutex<HashMap<KeyId, SealingKey>>,
}

impl KeyStore {
    pub(crate) fn new(store: Store, identities: Identities) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                identities,
                unlocked: Mutex::default(),
            }),
        }
    }

    /// A key by its name.
    pub async fn get(&self, id: KeyId) -> Result<SealingKey> {
        if let Some(key) = self
            .inner
            .unlocked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
        {
            return Ok(key.clone());
        }
        let folder = key_folder(id);
        let copies = self.copies(id).await?;
        if copies.is_empty() {
            return Err(Error::Missing { object: folder });
        }
        let mut recipients: Vec<Recipient> = Vec::new();
        let mut damage = None;
        for (name, copy) in copies {
            match self.inner.identities.unwrap(&copy.age) {
                Unwrapped::Secret(secret) => match SealingKey::from_slice(id, &secret) {
                    Some(key) => {
                        self.insert(key.clone());
                        return Ok(key);
                    }
                    None => damage = Some((name, "the key in it is not 32 bytes long".to_owned())),
                },
                Unwrapped::NoMatch => {}
                Unwrapped::Damaged(reason) => damage = Some((name, reason)),
            }
            recipients.extend(copy.recipients);
        }
        let (object, recipients) = (format!("the key {folder}"), listed(&recipients));
        match damage {
            Some((name, reason)) => Err(Error::damaged(name, reason)),
            None if self.inner.identities.is_empty() => Err(Error::NeedsIdentity { object, recipients }),
            None => Err(Error::WrongIdentity { object, recipients }),
        }
    }

    /// Keeps a key that was made here, so that it need not be unlocked.
    pub fn insert(&self, key: SealingKey) {
        self.inner
            .unlocked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.id(), key);
    }

    /// Wraps a new key for recipients, stores it and keeps it.
    pub async fn store(&self, key: &SealingKey, purpose: KeyPurpose, recipients: &[Recipient]) -> Result<()> {
        let wrapped = key.wrap(recipients)?;
        self.store_wrapped(KeyObject::new(key.id(), purpose, recipients.to_vec(), wrapped))
            .await?;
        self.insert(key.clone());
        Ok(())
    }

    /// Stores the first copy of a key that someone else made and wrapped. The same copy again is fine.
    pub async fn store_wrapped(&self, object: KeyObject) -> Result<()> {
        let name = key_object(object.key_id, 0);
        match self.inner.store.create(&name, object.encode()?).await? {
            Created::Stored => Ok(()),
            Created::Taken(_) => Err(Error::Taken { object: name }),
        }
    }

    /// The wrapped copies of a key.
    pub async fn copies(&self, id: KeyId) -> Result<Vec<(String, KeyObject)>> {
        let mut copies = Vec::new();
        for info in self.inner.store.list(&key_folder(id)).await? {
            let bytes = self.inner.store.get(&info.name).await?;
            let copy = KeyObject::decode(&bytes, &info.name)?;
            if copy.key_id != id {
                return Err(Error::damaged(
                    &info.name,
                    format!("it is a copy of another key, {}", copy.key_id),
                ));
            }
            copies.push((info.name, copy));
        }
        Ok(copies)
    }
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore")
            .field("identities", &self.inner.identities)
            .finish_non_exhaustive()
    }
}
