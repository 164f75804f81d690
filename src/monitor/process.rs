//! What the system says of the process, by the names that every exporter has for it.

use std::fs;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::TimeVal;

use super::text::{Kind, Page};
use crate::health::Time;

/// What cannot be found out is left out.
pub(super) fn write(page: &mut Page, begun: Time) {
    use Kind::{Counter, Gauge};
    // Of /proc only what belongs to the process is there where systemd hides the rest (ProcSubset=pid): the time of the
    // start cannot be had from it.
    let help = "When the process started, in seconds since 1970.";
    page.alone(Gauge, "process_start_time_seconds", help, begun.unix());
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let used = seconds(usage.user_time()) + seconds(usage.system_time());
        page.alone(Counter, "process_cpu_seconds_total", "User and system CPU time.", used);
    }
    if let Some(octets) = resident() {
        page.alone(Gauge, "process_resident_memory_bytes", "Memory that the process holds.", octets);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        page.alone(Gauge, "process_open_fds", "Open file descriptors.", open.count());
    }
    if let Ok((most, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        page.alone(Gauge, "process_max_fds", "The most file descriptors that may be open.", most);
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of CPU time, and 2^53 of them are 285 years")]
fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// In octets (proc(5), `/proc/[pid]/status`).
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
}
