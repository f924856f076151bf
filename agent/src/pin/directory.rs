//! The place beside a log dir where links to pinned files are.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxbrod_kafka::DirectoryId;

use super::partition::PinnedFile;
use crate::directory::{Directory, file_facts};
use crate::log_dir::LogDir;

/// Sibling of the log dirs; in it one directory per log dir, named by its id, so that brokers can share a parent directory.
const PIN_DIRECTORY: &str = ".maxbrod-pins";

/// How files are pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinMethod {
    /// By a hard link.
    Link,
    /// By an open descriptor.
    Descriptor,
}

/// Where the pins of one log dir go.
#[derive(Debug)]
pub(crate) struct PinDirectory {
    log_dir: Arc<LogDir>,
    /// `None`: links are impossible.
    links: Option<Directory>,
}

impl PinDirectory {
    /// Makes the place for links, and tries one with the log dir's `meta.properties`: only a link that worked shows that the
    /// mount and the permissions are right.
    pub(crate) fn prepare(log_dir: &Arc<LogDir>) -> Self {
        let links = match Self::make(log_dir) {
            Ok(links) => Some(links),
            Err(error) => {
                tracing::warn!(
                    log_dir = %log_dir.path.display(), %error,
                    "files can't be pinned by links beside the log dir; open descriptors pin them, until the agent stops"
                );
                None
            }
        };
        Self {
            log_dir: Arc::clone(log_dir),
            links,
        }
    }

    fn make(log_dir: &LogDir) -> io::Result<Directory> {
        let parent = Directory::open(&parent_of(&log_dir.path)?)?;
        if parent.facts()?.device != log_dir.directory.facts()?.device {
            return Err(io::Error::new(
                io::ErrorKind::CrossesDevices,
                "the log dir is a mount of its own",
            ));
        }
        parent.make(PIN_DIRECTORY)?;
        let pins = parent.subdirectory(PIN_DIRECTORY)?;
        let name = log_dir.id.to_string();
        pins.make(&name)?;
        let links = pins.subdirectory(&name)?;
        let probe = log_dir.directory.file("meta.properties")?;
        links.unlink("probe")?;
        links.link(&probe, "probe")?;
        links.unlink("probe")?;
        Ok(links)
    }

    /// The links of a log dir, for listing and dropping them without an agent. `None`: there is no such directory.
    pub(crate) fn existing(log_dir: &Arc<LogDir>) -> io::Result<Option<Self>> {
        let path = parent_of(&log_dir.path)?
            .join(PIN_DIRECTORY)
            .join(log_dir.id.to_string());
        match Directory::open(&path) {
            Ok(links) => Ok(Some(Self {
                log_dir: Arc::clone(log_dir),
                links: Some(links),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn id(&self) -> DirectoryId {
        self.log_dir.id
    }

    pub(crate) fn log_dir(&self) -> &Path {
        &self.log_dir.path
    }

    pub(crate) fn method(&self) -> PinMethod {
        if self.links.is_some() {
            PinMethod::Link
        } else {
            PinMethod::Descriptor
        }
    }

    /// Pins an open file. Returns the descriptor where that is the pin.
    pub(super) fn pin(&self, file: File, name: &str) -> io::Result<Option<Arc<File>>> {
        let Some(links) = &self.links else {
            return Ok(Some(Arc::new(file)));
        };
        match links.link(&file, name) {
            // A leftover of the same name: an earlier try of the same attempt.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                links.unlink(name)?;
                links.link(&file, name)?;
                Ok(None)
            }
            // Unlinked since it was opened (ENOENT), or too many links (EMLINK): the descriptor still holds it.
            Err(_) => Ok(Some(Arc::new(file))),
            Ok(()) => Ok(None),
        }
    }

    /// Opens a pinned file.
    pub(crate) fn open(&self, name: &str, pinned: &PinnedFile) -> io::Result<File> {
        if let Some(file) = &pinned.descriptor {
            return file.try_clone();
        }
        let links = self
            .links
            .as_ref()
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let file = links.file(name)?;
        if !file_facts(&file)?.same_file(&pinned.facts) {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("the pin {name} is another file by now"),
            ));
        }
        Ok(file)
    }

    pub(super) fn drop_pin(&self, name: &str, pinned: &PinnedFile) -> io::Result<()> {
        match (&self.links, &pinned.descriptor) {
            (Some(links), None) => links.unlink(name),
            _ => Ok(()),
        }
    }

    pub(super) fn is_only_holder(&self, name: &str, pinned: &PinnedFile) -> bool {
        let links = if pinned.descriptor.is_some() { 0 } else { 1 };
        self.open(name, pinned)
            .and_then(|file| file_facts(&file))
            .is_ok_and(|facts| facts.links <= links)
    }

    /// The links that are there, with their sizes.
    pub(crate) fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let Some(links) = &self.links else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        links.each(|name, _, _| {
            let name = name.to_string_lossy();
            if !name.starts_with('.') {
                names.push(name.into_owned());
            }
        })?;
        names.sort();
        let size = |name: &String| {
            links
                .file(name)
                .and_then(|file| file_facts(&file))
                .map_or(0, |facts| facts.size)
        };
        Ok(names.into_iter().map(|name| (name.clone(), size(&name))).collect())
    }

    /// Removes all links that are there. Returns how many there were.
    pub(crate) fn clear(&self) -> io::Result<usize> {
        let Some(links) = &self.links else { return Ok(0) };
        let mut names = Vec::new();
        links.each(|name, _, _| {
            let name = name.to_string_lossy();
            if !name.starts_with('.') {
                names.push(name.into_owned());
            }
        })?;
        for name in &names {
            links.unlink(name)?;
        }
        Ok(names.len())
    }
}

/// Log dirs may be given by a symbolic link: its target's parent is on the right mount.
fn parent_of(path: &Path) -> io::Result<PathBuf> {
    let path = path.canonicalize()?;
    path.parent()
        .map(Path::to_owned)
        .ok_or_else(|| io::Error::new(io::ErrorKind::CrossesDevices, "the log dir is the root directory"))
}
