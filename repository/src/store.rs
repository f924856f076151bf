//! The few things that a repository asks of an object store.
//!
//! Nothing is ever overwritten: objects are created once, read, listed. Names are relative to the repository's prefix.

mod create;
mod files;
mod read;
mod s3;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer;

pub use create::Created;
pub(crate) use files::{FileRoot, Published};

use crate::error::{Error, Result};
use crate::location::Location;

/// An object store, seen from the repository's prefix. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    objects: Arc<dyn ObjectStore>,
    signer: Option<Arc<dyn Signer>>,
    /// Set for a folder: writes bypass `objects`, whose `put` leaves staging files behind and syncs less.
    files: Option<FileRoot>,
    prefix: Path,
    location: String,
    /// Before the first repetition of a request with an unclear answer; doubles.
    pause: Duration,
}

/// An object, as a listing tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The name, relative to the prefix.
    pub name: String,
    /// In bytes.
    pub length: u64,
    /// By the store's clock.
    pub modified: Timestamp,
}

impl Store {
    /// Opens the store of a repository that was made before, with the cloud's usual environment variables.
    pub async fn open(location: &Location) -> Result<Self> {
        Self::open_with(location, &environment_variables()).await
    }

    /// Opens the store of a repository that was made before, with these `AWS_…` variables.
    pub async fn open_with(location: &Location, variables: &BTreeMap<String, String>) -> Result<Self> {
        match location {
            Location::Files(path) => {
                let path = path.clone();
                let root = blocking(move || FileRoot::open(path)).await?;
                Self::of_folder(root, location)
            }
            Location::S3 { .. } => Self::of_bucket(location, variables),
        }
    }

    /// Opens a place where a repository may be made: of a file-system repository the folder and its marker are created.
    pub async fn prepare(location: &Location) -> Result<Self> {
        Self::prepare_with(location, &environment_variables()).await
    }

    /// The same, with these `AWS_…` variables.
    pub async fn prepare_with(location: &Location, variables: &BTreeMap<String, String>) -> Result<Self> {
        match location {
            Location::Files(path) => {
                let path = path.clone();
                let root = blocking(move || FileRoot::prepare(path)).await?;
                Self::of_folder(root, location)
            }
            Location::S3 { .. } => Self::of_bucket(location, variables),
        }
    }

    /// Any other store. `objects` must hold to [`object_store::PutMode::Create`].
    pub fn new(objects: Arc<dyn ObjectStore>, signer: Option<Arc<dyn Signer>>, prefix: &str, location: &str) -> Self {
        Self::assemble(objects, signer, None, Path::from(prefix), location.to_owned())
    }

    fn of_folder(root: FileRoot, location: &Location) -> Result<Self> {
        let objects = LocalFileSystem::new_with_prefix(root.path())
            .map_err(|source| Error::store("opening the folder", location, source))?;
        Ok(Self::assemble(
            Arc::new(objects),
            None,
            Some(root),
            Path::default(),
            location.to_string(),
        ))
    }

    fn of_bucket(location: &Location, variables: &BTreeMap<String, String>) -> Result<Self> {
        let Location::S3 { bucket, prefix } = location else {
            return Err(Error::Location {
                location: location.to_string(),
                reason: "it is no bucket".to_owned(),
            });
        };
        let bucket = Arc::new(s3::bucket(bucket, variables, location)?);
        let signer: Arc<dyn Signer> = bucket.clone();
        Ok(Self::assemble(
            bucket,
            Some(signer),
            None,
            Path::from(prefix.as_str()),
            location.to_string(),
        ))
    }

    fn assemble(
        objects: Arc<dyn ObjectStore>,
        signer: Option<Arc<dyn Signer>>,
        files: Option<FileRoot>,
        prefix: Path,
        location: String,
    ) -> Self {
        let pause = Duration::from_millis(100);
        Self {
            inner: Arc::new(Inner {
                objects,
                signer,
                files,
                prefix,
                location,
                pause,
            }),
        }
    }

    /// Where it is, for messages.
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// Makes pre-signed URLs, if the store can.
    pub fn signer(&self) -> Option<&Arc<dyn Signer>> {
        self.inner.signer.as_ref()
    }

    /// The store itself.
    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.inner.objects
    }

    /// The folder, of a file-system repository.
    pub(crate) fn files(&self) -> Option<&FileRoot> {
        self.inner.files.as_ref()
    }

    /// The full path of an object.
    pub(crate) fn path(&self, name: &str) -> Path {
        let parts = name.split('/').filter(|part| !part.is_empty());
        parts.fold(self.inner.prefix.clone(), |path, part| path.join(part))
    }

    /// The name of an object, relative to the prefix.
    fn name_of(&self, path: &Path) -> Option<String> {
        let parts: Vec<_> = path.prefix_match(&self.inner.prefix)?.collect();
        Some(parts.iter().map(|part| part.as_ref()).collect::<Vec<_>>().join("/"))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.inner.location).finish()
    }
}

/// The process's variables that concern stores.
fn environment_variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("AWS_"))
        .collect()
}

/// Runs file-system work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(source) => Err(Error::store("running file-system work for", "the repository", source)),
    }
}
