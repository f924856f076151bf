//! The file system as a restore uses it, so that tests can stop it at any step.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

mod host;
#[cfg(test)]
pub(crate) mod mortal;

pub(crate) use host::HostDisk;

/// A file being written.
pub(crate) trait DiskFile: Write + Send {
    /// Brings its content onto the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) is_dir: bool,
    /// In bytes, for a file.
    pub(crate) length: u64,
}

/// The space of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// Tells file systems apart.
    pub(crate) device: u64,
    /// Bytes that may still be written.
    pub(crate) available: u64,
}

/// What a restore does to a file system. Paths are absolute.
pub(crate) trait Disk: Send + Sync {
    /// Makes a directory and those above it; one that exists is left as it is.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Begins a file, empty; one of that name is truncated.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file to write on at its end.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, in place of whatever has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a directory with everything in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// A file's content; `None`: there is none.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;
    /// A directory's entries by name; `None`: there is none.
    fn list(&self, path: &Path) -> io::Result<Option<Vec<Entry>>>;
    /// Brings a directory's names onto the disk.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Brings everything that was written to the directory's file system onto its disk.
    fn sync_file_system(&self, path: &Path) -> io::Result<()>;
    /// The space of the file system that the path is on, or will be on.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Hands a directory and everything in it to a user.
    fn give(&self, path: &Path, user: u32, group: Option<u32>) -> io::Result<()>;
}

/// Writes a file whole or not at all, and for good.
pub(crate) fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary(path);
    let mut file = disk.create(&temporary)?;
    file.write_all(bytes)?;
    file.sync()?;
    drop(file);
    disk.rename(&temporary, path)
}

/// Under this name a file is written before it gets its own.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}
