//! A disk that stops working after so many steps, as if the process had been killed there.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Disk, DiskFile, Entry, HostDisk, Space};

/// The host's file system until it dies. Every step that changes something counts; a write that it dies in is half done.
#[derive(Clone, Debug)]
pub(crate) struct MortalDisk {
    left: Arc<AtomicU64>,
}

impl MortalDisk {
    /// One that carries out so many steps.
    pub(crate) fn dying_after(steps: u64) -> Self {
        Self {
            left: Arc::new(AtomicU64::new(steps)),
        }
    }

    /// One that does not die, to count the steps.
    pub(crate) fn counting() -> Self {
        Self::dying_after(u64::MAX)
    }

    /// How many steps a counting disk has carried out.
    pub(crate) fn steps(&self) -> u64 {
        u64::MAX - self.left.load(Ordering::SeqCst)
    }

    fn step(&self) -> io::Result<()> {
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .map(drop)
            .map_err(|_| io::Error::other("the disk died"))
    }
}

struct MortalFile {
    disk: MortalDisk,
    file: Box<dyn DiskFile>,
}

impl Write for MortalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(died) = self.disk.step() {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(died);
        }
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl DiskFile for MortalFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.step()
    }
}

impl Disk for MortalDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        HostDisk.create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.step()?;
        Ok(Box::new(MortalFile {
            disk: self.clone(),
            file: HostDisk.create(path)?,
        }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(MortalFile {
            disk: self.clone(),
            file: HostDisk.append(path)?,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        HostDisk.rename(from, to)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        HostDisk.remove_dir_all(path)
    }

    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        HostDisk.read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Option<Vec<Entry>>> {
        HostDisk.list(path)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        self.step()
    }

    fn sync_file_system(&self, _path: &Path) -> io::Result<()> {
        self.step()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        HostDisk.space(path)
    }

    fn give(&self, path: &Path, user: u32, group: Option<u32>) -> io::Result<()> {
        self.step()?;
        HostDisk.give(path, user, group)
    }
}
