//! The host's own file system.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Disk, DiskFile, Entry, Space};

/// The host's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HostDisk;

impl DiskFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Disk for HostDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        present(fs::read(path))
    }

    fn list(&self, path: &Path) -> io::Result<Option<Vec<Entry>>> {
        let Some(entries) = present(fs::read_dir(path))? else {
            return Ok(None);
        };
        let mut list = Vec::new();
        for entry in entries {
            let entry = entry?;
            let metadata = entry.metadata()?;
            list.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_dir: metadata.is_dir(),
                length: metadata.len(),
            });
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some(list))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        let directory = File::open(path)?;
        Ok(nix::unistd::syncfs(directory.as_fd())?)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        // A directory that is not there yet will be made where its nearest ancestor is.
        for ancestor in path.ancestors() {
            let Some(metadata) = present(fs::metadata(ancestor))? else {
                continue;
            };
            let stats = nix::sys::statvfs::statvfs(ancestor)?;
            return Ok(Space {
                device: metadata.dev(),
                available: stats.blocks_available().saturating_mul(stats.fragment_size()),
            });
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn give(&self, path: &Path, user: u32, group: Option<u32>) -> io::Result<()> {
        for entry in walkdir::WalkDir::new(path) {
            std::os::unix::fs::lchown(entry?.path(), Some(user), group)?;
        }
        Ok(())
    }
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
