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

/// Limits the processes and threads of this user in its namespace.
pub(super) fn processes(limit: u64) -> Result<(), Failed> {
    set(Resource::Nproc, limit).map_err(at("limit processes"))
}

fn set(resource: Resource, limit: u64) -> Result<(), Errno> {
    // A limit that is already lower stays: raising it is not for an unprivileged process, and not wanted.
    let limit = Some(getrlimit(resource).maximum.map_or(limit, |most| most.min(limit)));
    setrlimit(resource, Rlimit { current: limit, maximum: limit })
}
