//! The folder a database server writes to; on a disk of its own where its power is to be cut.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::replicas::server::{NOBODY, is_root};

/// Octets a disk has room for; it takes of the machine's what is written to it.
const SIZE: u64 = 12 << 30;

/// Has the file system forget at once whatever was not yet made to last, as a power cut does:
/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`.
const SHUT_DOWN: &str = "open my $d, '<', $ARGV[0] or die $!; my $how = pack('L', 2); \
                         ioctl($d, 0x8004587d, $how) or die \"shutdown: $!\"";

/// Waits for the last file that a process has open which is just being killed.
const UNMOUNT: &str = "for n in $(seq 100); do umount \"$0\" && exit; sleep 0.1; done; exit 1";

/// A folder, and the file that holds the file system in it.
pub(super) struct Disk {
    pub(super) folder: PathBuf,
    image: Option<PathBuf>,
}

impl Disk {
    /// A folder in this one, which may lose its power. That takes root and a loop device.
    pub(super) fn new(within: &Path, name: &str, may_lose_power: bool) -> Self {
        let folder = within.join(name);
        fs::create_dir(&folder).unwrap();
        let image = may_lose_power.then(|| within.join(format!("{name}.ext4")));
        if let Some(image) = &image {
            fs::File::create_new(image).unwrap().set_len(SIZE).unwrap();
            run(Command::new("mkfs.ext4").arg("-q").arg(image));
        }
        let disk = Self { folder, image };
        disk.mount();
        if may_lose_power {
            disk.prove();
        }
        disk
    }

    /// Sees that a loss of power loses what it should, and nothing else.
    fn prove(&self) {
        let [kept, lost] = ["kept", "lost"].map(|name| self.folder.join(name));
        let written = fs::File::create_new(&kept).unwrap();
        written.sync_all().unwrap();
        fs::File::open(&self.folder).unwrap().sync_all().unwrap();
        fs::File::create_new(&lost).unwrap();
        drop(written);
        self.cut_power();
        self.restore_power();
        assert!(kept.exists() && !lost.exists(), "no power was lost");
        fs::remove_file(kept).unwrap();
    }

    fn mount(&self) {
        if let Some(image) = &self.image {
            run(Command::new("mount").args(["-o", "loop"]).arg(image).arg(&self.folder));
        }
        if is_root() {
            chown(&self.folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// Loses what was not made to last. From here on nothing can be written.
    pub(super) fn cut_power(&self) {
        run(Command::new("perl").args(["-e", SHUT_DOWN]).arg(&self.folder));
    }

    /// Comes back, with what had been made to last. Nobody may be using it.
    pub(super) fn restore_power(&self) {
        run(Command::new("sh").args(["-c", UNMOUNT]).arg(&self.folder));
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.image.is_some() {
            // Lazily: the server that uses it may be about to end.
            let _ended = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}

fn run(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
