//! Limits that the kernel holds each process to, whoever it is (`setrlimit(2)`). The launcher sets them before any code
//! runs; soft and hard limit are the same, so that the code cannot raise them.

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// What to limit, in numbers of files and bytes. `None` leaves it as it is.
pub(crate) struct Rlimits {
    pub(crate) open_files: Option<u64>,
    pub(crate) file_size: Option<u64>,
    pub(crate) data: Option<u64>,
    pub(crate) core: u64,
    pub(crate) stack: u64,
}

/// Sets the limits of this process. An error names the step.
pub(crate) fn apply(limits: &Rlimits) -> Result<(), (&'static str, Errno)> {
    let steps = [
        ("limit core dumps", Resource::Core, Some(limits.core)),
        ("limit open files", Resource::Nofile, limits.open_files),
        ("limit file size", Resource::Fsize, limits.file_size),
        ("limit data", Resource::Data, limits.data),
        ("limit the stack", Resource::Stack, Some(limits.stack)),
    ];
    steps.into_iter().filter_map(|(step, resource, limit)| Some((step, resource, limit?))).try_for_each(
        |(step, resource, limit)| {
            // A limit that is already lower stays: raising it is not for an unprivileged process, and not wanted.
            let limit = getrlimit(resource).maximum.map_or(limit, |most| most.min(limit));
            let limit = Some(limit);
            setrlimit(resource, Rlimit { current: limit, maximum: limit }).map_err(|errno| (step, errno))
        },
    )
}
