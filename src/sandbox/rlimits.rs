//! Limits that the kernel holds each process to, whoever it is (`setrlimit(2)`). The launcher sets them before any code
//! runs; soft and hard limit are the same, so that the code cannot raise them.

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use super::plan::{Failed, at};

/// What to limit, in numbers of files and bytes. `None` leaves it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rlimits {
    pub(crate) open_files: Option<u64>,
    pub(crate) file_size: Option<u64>,
    pub(crate) data: Option<u64>,
    pub(crate) core: u64,
    pub(crate) stack: u64,
}

/// Sets the limits of this process. An error names the step.
pub(super) fn apply(limits: &Rlimits) -> Result<(), Failed> {
    let steps = [
        ("limit core dumps", Resource::Core, Some(limits.core)),
        ("limit open files", Resource::Nofile, limits.open_files),
        ("limit file size", Resource::Fsize, limits.file_size),
        ("limit data", Resource::Data, limits.data),
        ("limit the stack", Resource::Stack, Some(limits.stack)),
    ];
    steps
        .into_iter()
        .filter_map(|(step, resource, limit)| Some((step, resource, limit?)))
        .try_for_each(|(step, resource, limit)| set(resource, limit).map_err(at(step)))
}

/// Limits the processes and threads of this user in its namespace. Kernels before 5.14 count those outside too, and then
/// it is no limit of this process's.
pub(super) fn processes(limit: u64) -> Result<(), Failed> {
    if !count_by_namespace() {
        return Ok(());
    }
    set(Resource::Nproc, limit).map_err(at("limit processes"))
}

/// Whether this kernel counts the processes of a user in each namespace of users apart.
pub(crate) fn count_by_namespace() -> bool {
    counts_by_namespace(&rustix::system::uname().release().to_string_lossy())
}

fn counts_by_namespace(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse::<u32>().ok());
    numbers.next().zip(numbers.next()) >= Some((5, 14))
}

fn set(resource: Resource, limit: u64) -> Result<(), Errno> {
    // A limit that is already lower stays: raising it is not for an unprivileged process, and not wanted.
    let limit = Some(getrlimit(resource).maximum.map_or(limit, |most| most.min(limit)));
    setrlimit(resource, Rlimit { current: limit, maximum: limit })
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
