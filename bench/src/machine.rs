//! The machine that is measured on: what it is, its page cache, and what processes took of it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::error::{BenchError, Result};

/// Waits until everything written is on the disk, and empties the page cache: what is read next comes from the disk.
pub(crate) fn make_cold() -> Result<()> {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").map_err(|source| BenchError::Io {
        action: "emptying the page cache (this needs root) by",
        path: "/proc/sys/vm/drop_caches".into(),
        source,
    })
}

/// Waits until everything written to the file system of `path` is on the disk.
pub(crate) fn sync(path: &Path) -> Result<()> {
    let io = |source: io::Error| BenchError::io("syncing", path, source);
    let file = fs::File::open(path).map_err(io)?;
    rustix::fs::syncfs(file).map_err(|error| io(error.into()))
}

/// Runs a program to its end, its output thrown away, and tells how long it took.
pub(crate) fn time(command: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(|source| BenchError::io("running", Path::new(&shown), source))?;
    let took = begun.elapsed();
    if output.status.success() {
        Ok(took)
    } else {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(BenchError::Failed { program: shown, said })
    }
}

/// Copies a directory by `cp` and syncs: the yardstick of everything that moves whole brokers.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<Duration> {
    let begun = Instant::now();
    time(
        Command::new("cp")
            .args(["--recursive", "--reflink=never"])
            .arg(from)
            .arg(to),
    )?;
    sync(to)?;
    Ok(begun.elapsed())
}

/// Processor time of all children that have ended, user and system.
pub(crate) fn children_cpu() -> Duration {
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::ZERO, |usage| {
        let time = |value: nix::sys::time::TimeVal| {
            Duration::from_secs(u64::try_from(value.tv_sec()).unwrap_or(0))
                + Duration::from_micros(u64::try_from(value.tv_usec()).unwrap_or(0))
        };
        time(usage.user_time()) + time(usage.system_time())
    })
}

/// The most memory that a running process has had resident, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes << 10)
}

/// Names processors, memory, kernel, and the disk and file system of `path`.
pub(crate) fn describe(path: &Path) -> Vec<(&'static str, String)> {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).stderr(Stdio::null()).output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    };
    let first = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        let value = line.split_once(':').map_or("", |(_, value)| value);
        value.trim().to_owned()
    };
    let path = path.display().to_string();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    vec![
        (
            "processors",
            format!("{cores} × {}", first("/proc/cpuinfo", "model name")),
        ),
        ("memory", first("/proc/meminfo", "MemTotal")),
        ("kernel", said("uname", &["-sr"])),
        ("disk", said("findmnt", &["-no", "SOURCE,FSTYPE,OPTIONS", "-T", &path])),
    ]
}
