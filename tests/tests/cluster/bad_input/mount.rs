//! File systems of their own for log dirs.

use std::path::{Path, PathBuf};
use std::process::Command;

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {} (this test mounts file systems, so run it as root): {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A small file system in memory, unmounted when it is dropped.
#[derive(Debug)]
pub(super) struct Mount {
    path: PathBuf,
}

impl Mount {
    /// Mounts an empty one of some MiB over a directory.
    pub(super) fn over(path: &Path, mebibytes: u32) -> Self {
        let size = format!("size={mebibytes}m,mode=0755");
        run(
            "mount",
            &["-t", "tmpfs", "-o", &size, "maxbrod-test", &path.to_string_lossy()],
        );
        Self { path: path.to_owned() }
    }

    /// Mounts one over a directory and moves in what was in there.
    pub(super) fn under(path: &Path, mebibytes: u32) -> Self {
        let aside = path.with_extension("aside");
        std::fs::rename(path, &aside).unwrap();
        std::fs::create_dir(path).unwrap();
        let mount = Self::over(path, mebibytes);
        let (from, to) = (format!("{}/.", aside.display()), path.display().to_string());
        run("cp", &["-a", &from, &to]);
        std::fs::remove_dir_all(&aside).unwrap();
        mount
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // What is still open in it (a broker that is killed after this) must not keep the name.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
