//! Reading and listing.

use std::ops::Range;

use bytes::Bytes;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use object_store::{Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStoreExt as _};

use super::{ObjectInfo, Store};
use crate::error::{Error, Result};

impl Store {
    /// A whole object.
    pub async fn get(&self, name: &str) -> Result<Bytes> {
        self.find(name).await?.ok_or_else(|| Error::Missing {
            object: name.to_owned(),
        })
    }

    /// A whole object, if it exists.
    pub async fn find(&self, name: &str) -> Result<Option<Bytes>> {
        let answer = async { self.inner.objects.get(&self.path(name)).await?.bytes().await };
        match answer.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(source) => Err(Error::store("reading", name, source)),
        }
    }

    /// Exactly these bytes of an object; fewer are an integrity failure.
    pub async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        let bytes = self.get_up_to(name, range.clone()).await?;
        if bytes.len() as u64 != range.end.saturating_sub(range.start) {
            let reason = format!(
                "it ends at byte {}, before byte {}",
                range.start + bytes.len() as u64,
                range.end
            );
            return Err(Error::damaged(name, reason));
        }
        Ok(bytes)
    }

    /// These bytes of an object, or as many of them as it has.
    pub async fn get_up_to(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            ..GetOptions::default()
        };
        let answer = async {
            self.inner
                .objects
                .get_opts(&self.path(name), options)
                .await?
                .bytes()
                .await
        };
        match answer.await {
            Ok(bytes) => Ok(bytes),
            Err(StoreError::NotFound { .. }) => Err(Error::Missing {
                object: name.to_owned(),
            }),
            // Stores answer a range that starts after the end in various ways: look what is there.
            Err(source) => match self.head(name).await? {
                Some(info) if info.length <= range.start => Err(Error::damaged(
                    name,
                    format!("it ends at byte {}, before byte {}", info.length, range.end),
                )),
                Some(_) => Err(Error::store("reading", name, source)),
                None => Err(Error::Missing {
                    object: name.to_owned(),
                }),
            },
        }
    }

    /// What a store says of an object, if it exists.
    pub async fn head(&self, name: &str) -> Result<Option<ObjectInfo>> {
        match self.inner.objects.head(&self.path(name)).await {
            Ok(meta) => Ok(self.info(&meta)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(source) => Err(Error::store("looking for", name, source)),
        }
    }

    /// Every object in a folder and below, in order of the names.
    ///
    /// A listing is a hint where an object may be deleted; it is only relied on to be complete (and the journal checks
    /// that it has no gap).
    pub async fn list(&self, folder: &str) -> Result<Vec<ObjectInfo>> {
        let mut objects = Vec::new();
        let mut listing = self.inner.objects.list(Some(&self.path(folder)));
        loop {
            match listing.try_next().await {
                Ok(Some(meta)) => objects.extend(self.info(&meta)),
                Ok(None) => break,
                Err(StoreError::NotFound { .. }) => break,
                Err(source) => return Err(Error::store("listing", folder, source)),
            }
        }
        objects.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    /// The names of the folders in a folder.
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        match self.inner.objects.list_with_delimiter(Some(&self.path(folder))).await {
            Ok(listing) => {
                let name = |path: &object_store::path::Path| path.filename().map(str::to_owned);
                let mut names: Vec<_> = listing.common_prefixes.iter().filter_map(name).collect();
                names.sort_unstable();
                Ok(names)
            }
            Err(StoreError::NotFound { .. }) => Ok(Vec::new()),
            Err(source) => Err(Error::store("listing", folder, source)),
        }
    }

    fn info(&self, meta: &ObjectMeta) -> Option<ObjectInfo> {
        let modified = Timestamp::from_second(meta.last_modified.timestamp()).unwrap_or_default();
        // Marker and staging folder of a file-system repository are no objects.
        let name = self.name_of(&meta.location).filter(|name| !name.starts_with('.'))?;
        Some(ObjectInfo {
            name,
            length: meta.size,
            modified,
        })
    }
}
