//! CPU time and memory of this process, as Linux tells them.

use std::fs;
use std::time::Duration;

/// `USER_HZ`: the unit of CPU times in `/proc` on every Linux of today.
const TICKS_A_SECOND: u64 = 100;

/// What was used.
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// The most memory resident at one time.
    pub(crate) peak_mib: f64,
}

/// Measures from here to [`Meter::read`].
pub(crate) struct Meter {
    began: Duration,
}

impl Meter {
    pub(crate) fn start() -> anyhow::Result<Self> {
        // Resets the peak; where that is not allowed, the peak is the process's.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Ok(Self { began: cpu()? })
    }

    pub(crate) fn read(&self) -> anyhow::Result<Usage> {
        let status = fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(Usage { cpu: cpu()? - self.began, peak_mib: kib.unwrap_or(0.0) / 1024.0 })
    }
}

/// User and system time: fields 14 and 15, counted after the name, which may hold spaces.
fn cpu() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
}
