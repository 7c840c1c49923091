//! Limits that the kernel holds each process to, whoever it is (`setrlimit(2)`). The launcher sets them before any code
//! runs; soft and hard limit are the same, so that the code cannot raise them.

use super::steps::{Argument, Step, call};

/// What to limit, in numbers of files and bytes. `None` leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rlimits {
    pub(crate) open_files: Option<u64>,
    pub(crate) file_size: Option<u64>,
    pub(crate) data: Option<u64>,
    pub(crate) core: u64,
    pub(crate) stack: u64,
}

/// Sets the limits of a process.
pub(super) fn steps(limits: &Rlimits) -> impl Iterator<Item = Step> {
    let limits = [
        ("limit core dumps", libc::RLIMIT_CORE, Some(limits.core)),
        ("limit open files", libc::RLIMIT_NOFILE, limits.open_files),
        ("limit file size", libc::RLIMIT_FSIZE, limits.file_size),
        ("limit data", libc::RLIMIT_DATA, limits.data),
        ("limit the stack", libc::RLIMIT_STACK, Some(limits.stack)),
    ];
    limits.into_iter().filter_map(|(what, resource, limit)| Some(set(what, resource, limit?)))
}

/// Limits the processes and threads of a user in its namespace. Kernels before 5.14 count those outside too, and then
/// it is no limit of this process's.
pub(super) fn processes(limit: u64) -> Option<Step> {
    count_by_namespace().then(|| set("limit processes", libc::RLIMIT_NPROC, limit))
}

/// Whether this kernel counts the processes of a user in each namespace of users apart.
pub(crate) fn count_by_namespace() -> bool {
    counts_by_namespace(&rustix::system::uname().release().to_string_lossy())
}

fn counts_by_namespace(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u32>().ok());
    numbers.next().zip(numbers.next()) >= Some((5, 14))
}

/// A limit that is already lower stays: raising it is not for an unprivileged process, and not wanted.
fn set(what: &'static str, resource: libc::__rlimit_resource_t, limit: u64) -> Step {
    let limit = most(resource).min(limit);
    let both = Argument::Bytes([limit, limit].map(u64::to_ne_bytes).concat());
    Step::new(what, call!(SYS_prlimit64, 0, resource, both, 0))
}

/// The highest that a limit may be set to.
fn most(resource: libc::__rlimit_resource_t) -> u64 {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: u64::MAX };
    // SAFETY: the pointer is to memory of the right type. Where it is not written to, nothing is known to limit.
    #[expect(unsafe_code, reason = "rustix has names of its own for the resources")]
    unsafe {
        libc::getrlimit64(resource, &raw mut limit)
    };
    limit.rlim_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_are_told_from_new_ones() {
        assert!(counts_by_namespace("5.14.0-1\n") && counts_by_namespace("6.1.0-18-amd64"));
        assert!(!counts_by_namespace("5.10.0-28-amd64") && !counts_by_namespace("4.19") && !counts_by_namespace(""));
    }
}
