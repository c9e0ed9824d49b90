//! The disk that a load's log stands on: its file system and device, and whether it is one at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where files stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Disk {
    /// As the kernel calls it: ext4, xfs and so on.
    pub(super) file_system: String,
    /// What is mounted there.
    pub(super) device: String,
    mount: PathBuf,
}

impl Disk {
    /// The disk of an existing directory.
    ///
    /// # Errors
    /// /proc is not there, or the directory. A file system in memory: what is measured there is no disk.
    pub(super) fn of(directory: &Path) -> io::Result<Disk> {
        let directory = directory.canonicalize()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let disk = find(&mounts, &directory)
            .ok_or_else(|| io::Error::other(format!("{}: on no mount", directory.display())))?;
        if matches!(disk.file_system.as_str(), "tmpfs" | "ramfs") {
            return Err(io::Error::other(format!(
                "{} stands on {} ({}), which is memory: a sync costs nothing there. Name a directory on a disk with --keep",
                directory.display(),
                disk.file_system,
                disk.mount.display()
            )));
        }
        Ok(disk)
    }
}

/// The mount that a path is on: of those above it the deepest, and of several in one place the last.
fn find(mountinfo: &str, path: &Path) -> Option<Disk> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mount = PathBuf::from(unescaped(front.split(' ').nth(4)?));
        let mut back = back.split(' ');
        Some(Disk { file_system: back.next()?.to_owned(), device: unescaped(back.next()?), mount })
    });
    mounts.filter(|disk| path.starts_with(&disk.mount)).max_by_key(|disk| disk.mount.components().count())
}

/// Blanks and the like stand as three octal digits behind a backslash.
fn unescaped(text: &str) -> String {
    ["040", "011", "012", "134"]
        .into_iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(text.to_owned(), |text, (code, character)| text.replace(&format!("\\{code}"), character))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /dev/shm rw,nosuid - tmpfs tmpfs rw
31 22 8:1 / /data\\040one rw - xfs /dev/sdb1 rw
32 31 0:40 / /data\\040one rw - ramfs none rw\n";

    #[test]
    fn the_deepest_and_newest_mount_is_the_one() {
        let at = |path: &str| find(MOUNTS, Path::new(path)).map(|disk| (disk.file_system, disk.device));
        let is = |kind: &str, device: &str| Some((kind.to_owned(), device.to_owned()));
        assert_eq!(at("/data/log"), is("ext4", "/dev/vda"));
        assert_eq!(at("/dev/shm/log"), is("tmpfs", "tmpfs"));
        assert_eq!(at("/data one/log"), is("ramfs", "none"));
        assert_eq!(at("/data onely"), is("ext4", "/dev/vda"));
    }
}
