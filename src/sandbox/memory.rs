//! How much memory a process uses, as the kernel counts it.

use oast_config::ByteSize;
use rustix::process::Pid;

/// Resident memory of one process, from `/proc/PID/statm`; `None` when it is gone.
pub(crate) fn resident(pid: Pid) -> Option<ByteSize> {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero())).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(ByteSize(pages * rustix::param::page_size() as u64))
}
