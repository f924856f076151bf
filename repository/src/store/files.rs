//! A folder as an object store that survives a power cut.
//!
//! An object is staged in `.staging`, synced, linked to its name (which fails if the name is taken) and the folders
//! synced up to the root. Who loses a race syncs the winner's file and folder before the object counts as stored. A
//! failed sync is fatal for that write: after it nobody knows what is on the disk, and a second sync may lie.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};

/// Says that this is the repository's folder and not an empty mount point.
pub(crate) const MARKER: &str = ".maxbrod-repository";
const MARKER_TEXT: &str = "This folder is a maxbrod repository. maxbrod writes nothing where this file is missing.\n";
const STAGING: &str = ".staging";
/// Staging files that were not touched for so long belong to nobody.
const LEFTOVER: Duration = Duration::from_secs(24 * 60 * 60);

/// A repository's folder. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct FileRoot {
    root: Arc<Path>,
    /// Folders that are known to be on the disk, up to the root.
    durable: Arc<Mutex<HashSet<PathBuf>>>,
}

/// A file that has no name yet. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Staged {
    file: File,
    path: PathBuf,
}

/// What became of a staged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// It has the name.
    New,
    /// Another file has it, and that one is on the disk.
    Taken,
}

impl FileRoot {
    /// A folder that was prepared before.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let root = Self {
            root: path.into(),
            durable: Arc::default(),
        };
        root.check_marker()?;
        root.sweep();
        Ok(root)
    }

    /// Makes the folder and its marker. A folder with other things in it is refused.
    pub(crate) fn prepare(path: PathBuf) -> Result<Self> {
        let failed = |source| Error::store("making the folder", path.display(), source);
        let mut made = Vec::new();
        let mut missing: Option<&Path> = Some(&path);
        while let Some(folder) = missing.filter(|folder| !folder.exists()) {
            made.push(folder);
            missing = folder.parent();
        }
        fs::create_dir_all(&path).map_err(failed)?;
        for folder in made {
            if let Some(parent) = folder.parent() {
                sync_folder(parent).map_err(failed)?;
            }
        }
        let marker = path.join(MARKER);
        if !marker.exists() {
            let mut entries = fs::read_dir(&path).map_err(failed)?;
            let foreign = entries.find_map(|entry| {
                let name = entry.ok()?.file_name();
                (name != "lost+found").then_some(name)
            });
            if let Some(name) = foreign {
                return Err(Error::Location {
                    location: path.display().to_string(),
                    reason: format!("the folder is not empty ({} is in it)", Path::new(&name).display()),
                });
            }
            let written = File::create_new(&marker).and_then(|mut file| {
                file.write_all(MARKER_TEXT.as_bytes())?;
                file.sync_all()
            });
            match written {
                Err(source) if source.kind() != io::ErrorKind::AlreadyExists => return Err(failed(source)),
                _ => sync_folder(&path).map_err(failed)?,
            }
        }
        Self::open(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    fn check_marker(&self) -> Result<()> {
        match self.root.join(MARKER).try_exists() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::NotMounted {
                path: self.root.display().to_string(),
                marker: MARKER,
            }),
            Err(source) => Err(Error::store("looking into the folder", self.root.display(), source)),
        }
    }

    /// Begins a new object.
    pub(crate) fn stage(&self) -> Result<Staged> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        self.check_marker()?;
        let folder = self.root.join(STAGING);
        let failed = |source| Error::store("staging an object in", folder.display(), source);
        match fs::create_dir(&folder) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => return Err(failed(source)),
            _ => {}
        }
        // Process ids come back after a restart, and another host may share the folder: the name is only a first guess.
        loop {
            let now = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_nanos();
            let count = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{}-{now:x}-{count}", std::process::id()));
            match OpenOptions::new().write(true).read(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Staged { file, path }),
                Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(failed(source)),
            }
        }
    }

    /// Gives a staged file its name, durably.
    pub(crate) fn publish(&self, staged: Staged, name: &str) -> Result<Published> {
        self.check_marker()?;
        let failed = |source| Error::store("creating", name, source);
        let target = self.root.join(name);
        let folder = target.parent().unwrap_or(&self.root).to_owned();
        staged.file.sync_all().map_err(failed)?;
        fs::create_dir_all(&folder).map_err(failed)?;
        let published = match fs::hard_link(&staged.path, &target) {
            Ok(()) => Published::New,
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
                File::open(&target).and_then(|file| file.sync_all()).map_err(failed)?;
                Published::Taken
            }
            Err(source) => return Err(failed(source)),
        };
        sync_folder(&folder).map_err(failed)?;
        self.make_durable(&folder).map_err(failed)?;
        Ok(published)
    }

    /// Removes a folder and those above it as far as nothing is in them: what is left of a check of the store.
    pub(crate) fn remove_empty(&self, name: &str) {
        let mut folder = PathBuf::from(name);
        loop {
            let path = self.root.join(&folder);
            // Whoever makes it again has to sync it again.
            self.durable
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&path);
            if fs::remove_dir(&path).is_err() || !folder.pop() || folder.as_os_str().is_empty() {
                return;
            }
        }
    }

    /// Syncs the folders above one, once per process: another writer may have made them and not synced them yet.
    fn make_durable(&self, folder: &Path) -> io::Result<()> {
        let mut current = folder;
        let mut synced = Vec::new();
        while current != &*self.root {
            if self
                .durable
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(current)
            {
                break;
            }
            let Some(parent) = current.parent() else { break };
            sync_folder(parent)?;
            synced.push(current.to_owned());
            current = parent;
        }
        self.durable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(synced);
        Ok(())
    }

    /// Removes what writers that died left in the staging folder. Nothing depends on it, so failures don't matter.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.root.join(STAGING)) else {
            return;
        };
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified
                .ok()
                .and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if age.is_some_and(|age| age > LEFTOVER) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Staged {
    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|source| Error::store("staging", self.path.display(), source))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
