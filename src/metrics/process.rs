//! The process itself, as Linux tells it (`/proc/self`, proc(5)). Elsewhere nothing is known.

use std::fs;

/// Ticks of `/proc/self/stat` in a second: Linux shows every program 100 of them,
/// whatever it counts in itself.
const TICKS: f64 = 100.0;

/// Resources used by the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    /// Memory that is in use, in octets.
    pub(super) resident: Option<u64>,
    /// Time on a processor, its own and the system's for it, in seconds.
    pub(super) cpu: Option<f64>,
    /// Open file descriptors.
    pub(super) descriptors: Option<u64>,
    /// The most it may have open.
    pub(super) most_descriptors: Option<u64>,
}

impl Process {
    /// Looks. It takes microseconds: nothing of this is on a disk.
    pub(super) fn sample() -> Self {
        let read = |path| fs::read_to_string(path).ok();
        Self {
            resident: read("/proc/self/status").as_deref().and_then(resident),
            cpu: read("/proc/self/stat").as_deref().and_then(cpu),
            descriptors: fs::read_dir("/proc/self/fd").ok().map(|open| open.count() as u64),
            most_descriptors: read("/proc/self/limits").as_deref().and_then(most_descriptors),
        }
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn most_descriptors(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu(stat: &str) -> Option<f64> {
    // The name of the program may hold anything, but it ends with the last parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user.checked_add(system)? as f64 / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_proc_are_read() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   12345 kB\nThreads:\t1\n"), Some(12_641_280));
        assert_eq!(resident("Name:\tx\n"), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  4096  files\n";
        assert_eq!(most_descriptors(limits), Some(1024));
        assert_eq!(most_descriptors("Max processes 7 7\n"), None);
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 123 456 789";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("7 (a)"), None);
    }

    #[test]
    fn processor_time_is_told_beyond_what_32_bits_of_ticks_hold() {
        // Of 64 busy processors for three months.
        let stat = "7 (a) S 1 7 7 0 -1 4194304 100 0 0 0 50000000000 4294967296 0 0 20 0 9 0 1 4 7";
        assert_eq!(cpu(stat), Some(542_949_672.96));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_memory_and_descriptors() {
        let process = Process::sample();
        assert!(process.resident.is_some_and(|octets| octets > 1024 * 1024), "{process:?}");
        assert!(process.descriptors.is_some_and(|open| open >= 3), "{process:?}");
        assert!(process.most_descriptors > process.descriptors, "{process:?}");
        assert!(process.cpu.is_some(), "{process:?}");
    }
}
