//! Creating an object once.
//!
//! Every store has "create if absent"; what differs is what a caller learns. A lost reply looks like a failure or like a
//! conflict, the library repeats a create that was answered 5xx and is then told that its own object exists, and S3
//! answers 409 while another create of the name is under way, which may still fail. So after anything but success the
//! object is read back: the bytes decide.

use std::time::Duration;

use bytes::Bytes;
use object_store::{Error as StoreError, PutMode, PutOptions, PutPayload};

use super::{Published, Store, blocking};
use crate::error::{Error, Result};

/// What became of a create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// The object is stored, with the bytes given.
    Stored,
    /// The name is taken by other bytes.
    Taken(Bytes),
}

/// How often a create without a clear answer is repeated.
const ATTEMPTS: u32 = 5;

impl Store {
    /// Creates an object. Repeating it with the same bytes is safe, so that a caller that got [`Error::Uncertain`] asks
    /// again with the same ones.
    pub async fn create(&self, name: &str, body: Bytes) -> Result<Created> {
        if let Some(root) = self.files().cloned() {
            let (name, bytes) = (name.to_owned(), body.clone());
            let published = blocking({
                let name = name.clone();
                move || {
                    let mut staged = root.stage()?;
                    staged.write(&bytes)?;
                    root.publish(staged, &name)
                }
            });
            return match published.await? {
                Published::New => Ok(Created::Stored),
                Published::Taken => self.compare(&name, &body).await?.ok_or(Error::Missing { object: name }),
            };
        }
        let path = self.path(name);
        let mut pause = self.inner.pause;
        let mut reason = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            let options = PutOptions {
                mode: PutMode::Create,
                ..PutOptions::default()
            };
            match self
                .inner
                .objects
                .put_opts(&path, PutPayload::from_bytes(body.clone()), options)
                .await
            {
                Ok(_) => return Ok(Created::Stored),
                Err(
                    source @ (StoreError::NotImplemented { .. }
                    | StoreError::NotSupported { .. }
                    | StoreError::PermissionDenied { .. }
                    | StoreError::Unauthenticated { .. }
                    | StoreError::InvalidPath { .. }),
                ) => return Err(Error::store("creating", name, source)),
                Err(source) => reason = source.to_string(),
            }
            match self.compare(name, &body).await {
                Ok(Some(created)) => return Ok(created),
                // Not there (yet): a 409, or a request that never arrived, or one still on its way.
                Ok(None) => {}
                Err(source) => reason = source.to_string(),
            }
        }
        Err(Error::Uncertain {
            object: name.to_owned(),
            reason,
        })
    }

    /// Creates an object whose name nobody else should use.
    pub async fn create_new(&self, name: &str, body: Bytes) -> Result<()> {
        match self.create(name, body).await? {
            Created::Stored => Ok(()),
            Created::Taken(_) => Err(Error::Taken {
                object: name.to_owned(),
            }),
        }
    }

    async fn compare(&self, name: &str, body: &Bytes) -> Result<Option<Created>> {
        Ok(self.find(name).await?.map(|there| {
            if there == *body {
                Created::Stored
            } else {
                Created::Taken(there)
            }
        }))
    }
}
