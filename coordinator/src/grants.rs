//! Uploads: names for packs, permission to store them, and looking whether they arrived (DESIGN §4).

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use maxbrod_repository::{
    Confirmation, Error, Grant, Granter, KeyId, KeyObject, KeyPurpose, PackInfo, PackName, Recipient, Result, confirm,
};
use sha2::{Digest as _, Sha256};

use crate::cache::Cache;
use crate::lease::Lease;

/// No pack is longer: packs are finished at 64 MiB, and a single larger chunk has at most 1 GiB.
const LONGEST: u64 = (1 << 30) + (16 << 20);

/// Grants uploads in the coordinator's term.
pub(crate) struct Grants {
    lease: Arc<Lease>,
    granter: Arc<dyn Granter>,
    cache: Arc<Cache>,
    scope: String,
    next: AtomicU64,
    known: Mutex<HashMap<PackName, PackInfo>>,
}

impl Grants {
    /// Begins; the names of earlier terms are told apart by their epoch.
    pub(crate) fn new(lease: Arc<Lease>, granter: Arc<dyn Granter>, cache: Arc<Cache>) -> Self {
        let scope = format!("{}/{}", lease.cluster().repository().id(), lease.cluster_id());
        Self {
            lease,
            granter,
            cache,
            scope,
            next: AtomicU64::new(0),
            known: Mutex::default(),
        }
    }

    /// Grants the upload of a pack for the open run.
    pub(crate) async fn grant(&self, run: u64, length: u64, sha256: [u8; 32]) -> Result<(PackName, Grant)> {
        if length == 0 || length > LONGEST {
            let object = format!("a pack of run {run}");
            return Err(Error::UploadRefused {
                object,
                reason: format!("a pack of {length} bytes cannot be"),
            });
        }
        // An older coordinator must not have anything stored that a newer one does not know of.
        self.lease.check(run).await?;
        let name = self.name(run);
        let object = self.lease.cluster().names().pack(name);
        let grant = self.granter.grant(&object, length, &sha256).await?;
        self.remember(PackInfo { name, length, sha256 });
        Ok((name, grant))
    }

    /// Stores a pack of the coordinator's own.
    pub(crate) async fn store(&self, run: u64, bytes: Bytes) -> Result<PackInfo> {
        self.lease.check(run).await?;
        let name = self.name(run);
        let info = PackInfo {
            name,
            length: bytes.len() as u64,
            sha256: Sha256::digest(&bytes).into(),
        };
        self.lease
            .cluster()
            .store()
            .create_new(&self.lease.cluster().names().pack(name), bytes)
            .await?;
        self.remember(info);
        Ok(info)
    }

    /// Looks whether a granted pack is in the store, complete.
    pub(crate) async fn is_stored(&self, name: PackName, length: u64) -> Result<bool> {
        let object = self.lease.cluster().names().pack(name);
        Ok(confirm(self.lease.cluster().store(), &object, length).await? == Confirmation::Stored)
    }

    /// What is known of a pack that must be in the store: an error when it is not, or is not as it was granted.
    pub(crate) async fn require(&self, name: PackName) -> Result<PackInfo> {
        let object = self.lease.cluster().names().pack(name);
        let store = self.lease.cluster().store();
        let known = self.lock().get(&name).copied();
        let known = match known {
            Some(known) => Some(known),
            None => self.cache.pack(&self.scope, name).unwrap_or_else(|error| {
                tracing::warn!(%error, "asking the store instead");
                None
            }),
        };
        let Some(info) = known else {
            // Granted by an earlier term whose cache is gone: what the store has is all there is to know.
            let bytes = store.get(&object).await?;
            return Ok(PackInfo {
                name,
                length: bytes.len() as u64,
                sha256: Sha256::digest(&bytes).into(),
            });
        };
        match confirm(store, &object, info.length).await? {
            Confirmation::Stored => Ok(info),
            Confirmation::Absent => Err(Error::Missing { object }),
            Confirmation::Different { length } => {
                let reason = format!("it has {length} bytes, {} were granted", info.length);
                Err(Error::Damaged { object, reason })
            }
        }
    }

    /// Stores an agent's data key, wrapped by the agent for the operators.
    pub(crate) async fn store_key(&self, key: KeyId, wrapped: Vec<u8>) -> Result<()> {
        let repository = self.lease.cluster().repository();
        let recipients: Vec<Recipient> = repository.config().recipients().to_vec();
        repository
            .keys()
            .store_wrapped(KeyObject::new(key, KeyPurpose::Data, recipients, wrapped))
            .await
    }

    /// Forgets the packs of runs that have ended.
    pub(crate) fn forget_before(&self, run: u64) {
        self.lock().retain(|name, _| name.run >= run);
        if let Err(error) = self.cache.forget_packs_before(&self.scope, run) {
            tracing::warn!(%error, "leaving old packs in the cache");
        }
    }

    fn name(&self, run: u64) -> PackName {
        PackName {
            run,
            epoch: self.lease.epoch(),
            sequence: self.next.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn remember(&self, info: PackInfo) {
        self.lock().insert(info.name, info);
        // The cache spares a later term from reading the pack again; it can do without.
        if let Err(error) = self.cache.granted(&self.scope, &info) {
            tracing::warn!(%error, "not remembering a granted pack");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PackName, PackInfo>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
