//! Uploads into a file-system repository: the coordinator serves the PUT itself. HTTP is around this, not in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{GRANT_VALIDITY, Grant, Granter};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::store::{FileRoot, Published, Store, blocking};

/// The uploads that a coordinator has granted into a folder and not seen yet. Kept in memory: after a restart agents ask
/// for new grants.
#[derive(Debug)]
pub struct LocalUploads {
    root: FileRoot,
    base_url: String,
    environment: Environment,
    granted: Mutex<HashMap<String, Granted>>,
}

#[derive(Clone, Debug)]
struct Granted {
    object: String,
    length: u64,
    sha256: [u8; 32],
    expires: Timestamp,
}

/// What became of an upload that was as granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored: answer 200.
    Stored,
    /// It was stored before: answer 412.
    AlreadyThere,
}

/// Why an upload is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// Never granted, or used up.
    #[error("accepting an upload: it was not granted")]
    NotGranted,
    /// Too late.
    #[error("accepting an upload: the grant has expired")]
    Expired,
    /// Not what was granted.
    #[error("accepting an upload of {object}: {reason}")]
    NotAsGranted {
        /// The object.
        object: String,
        /// How it differs.
        reason: &'static str,
    },
    /// The connection broke.
    #[error("accepting an upload of {object}: the connection broke: {reason}")]
    CutOff {
        /// The object.
        object: String,
        /// How.
        reason: String,
    },
    /// The file system failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Rejection {
    /// Stable, kebab-case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotGranted => "upload-not-granted",
            Self::Expired => "upload-expired",
            Self::NotAsGranted { .. } => "upload-not-as-granted",
            Self::CutOff { .. } => "upload-cut-off",
            Self::Failed(error) => error.code(),
        }
    }

    /// What to answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotGranted | Self::Expired => 403,
            Self::NotAsGranted { .. } | Self::CutOff { .. } => 400,
            Self::Failed(_) => 500,
        }
    }
}

impl LocalUploads {
    /// For a file-system repository; `None`: the store is another one. A grant's URL is `base_url`, a slash and a token.
    pub fn new(store: &Store, base_url: &str, environment: Environment) -> Option<Self> {
        let root = store.files()?.clone();
        let base_url = base_url.trim_end_matches('/').to_owned();
        Some(Self {
            root,
            base_url,
            environment,
            granted: Mutex::default(),
        })
    }

    /// Takes the body of a PUT to `base_url/<token>`. It is stored only if it is whole and has the granted hash.
    pub async fn accept<E: std::fmt::Display>(
        &self,
        token: &str,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Accepted, Rejection> {
        let granted = self.lock().get(token).cloned().ok_or(Rejection::NotGranted)?;
        if granted.expires < self.environment.clock.now() {
            return Err(Rejection::Expired);
        }
        let Granted {
            object, length, sha256, ..
        } = granted;
        let differs = |reason| Rejection::NotAsGranted {
            object: object.clone(),
            reason,
        };
        // File-system work happens on one blocking thread that is fed through a short queue.
        let (send, mut receive) = mpsc::channel::<Bytes>(4);
        let staged = {
            let (root, object) = (self.root.clone(), object.clone());
            let work = move || {
                let mut staged = root.stage()?;
                let mut hash = Sha256::new();
                let mut received = 0;
                while let Some(bytes) = receive.blocking_recv() {
                    hash.update(&bytes);
                    received += bytes.len() as u64;
                    staged.write(&bytes)?;
                }
                // A queue that was closed early leaves a short file, which is dropped here.
                if received != length || <[u8; 32]>::from(hash.finalize()) != sha256 {
                    return Ok(None);
                }
                root.publish(staged, &object).map(Some)
            };
            tokio::spawn(blocking(work))
        };
        let mut body = std::pin::pin!(body);
        let mut received = 0;
        let mut broken = None;
        while let Some(bytes) = body.next().await {
            match bytes {
                Ok(bytes) => {
                    received += bytes.len() as u64;
                    if received > length || send.send(bytes).await.is_err() {
                        break;
                    }
                }
                Err(source) => {
                    broken = Some(source.to_string());
                    break;
                }
            }
        }
        drop(send);
        let published = staged
            .await
            .map_err(|source| Error::store("storing", &object, source))??;
        match published {
            Some(published) => {
                self.lock().remove(token);
                Ok(if published == Published::New {
                    Accepted::Stored
                } else {
                    Accepted::AlreadyThere
                })
            }
            None => Err(match broken {
                Some(reason) => Rejection::CutOff { object, reason },
                None if received != length => differs("it does not have the granted length"),
                None => differs("it does not have the granted SHA-256"),
            }),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Granted>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Granter for LocalUploads {
    async fn grant(&self, object: &str, length: u64, sha256: &[u8; 32]) -> Result<Grant> {
        let mut token = [0; 32];
        self.environment.random.fill(&mut token);
        let token = hex::encode(token);
        let now = self.environment.clock.now();
        let validity = SignedDuration::try_from(GRANT_VALIDITY).unwrap_or_default();
        let expires = now.saturating_add(validity).unwrap_or(now);
        let mut granted = self.lock();
        granted.retain(|_, granted| granted.expires >= now);
        granted.insert(
            token.clone(),
            Granted {
                object: object.to_owned(),
                length,
                sha256: *sha256,
                expires,
            },
        );
        Ok(Grant {
            url: format!("{}/{token}", self.base_url),
            method: "PUT".to_owned(),
            headers: BTreeMap::new(),
            expires_in: GRANT_VALIDITY,
        })
    }
}
