//! Directories held by their descriptors: names in them are looked up where the directory is now, whatever Kafka renamed it
//! to meanwhile (K§2.4).

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, StatxFlags};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
}

/// What makes a file this very file, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileFacts {
    /// Device.
    pub(crate) device: u64,
    /// Inode.
    pub(crate) inode: u64,
    /// Birth time in nanoseconds, where the file system keeps one. An inode number is used again, a birth time is not.
    pub(crate) birth: Option<i128>,
    /// Length in bytes; of a preallocated file more than what is in it.
    pub(crate) size: u64,
    /// How many names it has.
    pub(crate) links: u32,
}

impl FileFacts {
    /// Whether both are of one file, whatever was appended to or cut off it.
    pub(crate) fn same_file(&self, other: &Self) -> bool {
        self.device == other.device && self.inode == other.inode && self.birth == other.birth
    }
}

/// When something last changed in a directory, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChangeTime(pub(crate) i128);

/// Which directory it is and when something last changed in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirectoryFacts {
    /// Device.
    pub(crate) device: u64,
    /// Inode.
    pub(crate) inode: u64,
    /// When a name was last added, removed or changed in it.
    pub(crate) changed: ChangeTime,
}

/// Space of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// Bytes in all.
    pub(crate) total: u64,
    /// Bytes that Kafka's user can still fill.
    pub(crate) free: u64,
}

impl Directory {
    /// Opens the directory with this path.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self { fd })
    }

    /// Opens a directory in it.
    pub(crate) fn subdirectory(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            fd: rustix::fs::openat(&self.fd, name, flags, Mode::empty())?,
        })
    }

    /// Makes a directory in it, readable by its owner alone, unless it is there.
    pub(crate) fn make(&self, name: &str) -> io::Result<()> {
        match rustix::fs::mkdirat(&self.fd, name, Mode::RWXU) {
            Err(error) if error != rustix::io::Errno::EXIST => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Opens a file in it for reading.
    pub(crate) fn file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.fd, name, flags, Mode::empty())?))
    }

    /// The content of a small file in it; `None` when there is none.
    pub(crate) fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match self.file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => read_small(other?, name, limit).map(Some),
        }
    }

    /// Shows every name in it, with inode and kind.
    pub(crate) fn each(&self, mut show: impl FnMut(&CStr, u64, FileType)) -> io::Result<()> {
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            show(entry.file_name(), entry.ino(), entry.file_type());
        }
        Ok(())
    }

    /// Which one it is, and when something last changed in it.
    pub(crate) fn facts(&self) -> io::Result<DirectoryFacts> {
        let stat = rustix::fs::fstat(&self.fd)?;
        let changed = i128::from(stat.st_mtime) * 1_000_000_000 + stat.st_mtime_nsec as i128;
        Ok(DirectoryFacts {
            device: stat.st_dev,
            inode: stat.st_ino,
            changed: ChangeTime(changed),
        })
    }

    /// Gives an open file another name, in this directory. The descriptor is linked, not what its old name means by now.
    ///
    /// Through `/proc/self/fd`, because linking a descriptor directly (`AT_EMPTY_PATH`) needs CAP_DAC_READ_SEARCH.
    pub(crate) fn link(&self, file: &File, name: &str) -> io::Result<()> {
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(rustix::fs::linkat(
            rustix::fs::CWD,
            source,
            &self.fd,
            name,
            AtFlags::SYMLINK_FOLLOW,
        )?)
    }

    /// Removes a name; one that is not there is no error.
    pub(crate) fn unlink(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(error) if error != rustix::io::Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Space of the file system that it is on.
    pub(crate) fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::fstatvfs(&self.fd)?;
        Ok(Space {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    /// A path that means this directory as long as it is open.
    pub(crate) fn proc_path(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd())
    }
}

/// The content of a small file.
pub(crate) fn read_small(file: File, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{name} is larger than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// Which file it is.
pub(crate) fn file_facts(file: &File) -> io::Result<FileFacts> {
    let stat = rustix::fs::statx(
        file,
        "",
        AtFlags::EMPTY_PATH,
        StatxFlags::BASIC_STATS | StatxFlags::BTIME,
    )?;
    let has_birth = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    let birth = i128::from(stat.stx_btime.tv_sec) * 1_000_000_000 + i128::from(stat.stx_btime.tv_nsec);
    Ok(FileFacts {
        device: u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor),
        inode: stat.stx_ino,
        birth: has_birth.then_some(birth),
        size: stat.stx_size,
        links: stat.stx_nlink,
    })
}
