//! A worker process that becomes another program: confined already, with the descriptors of a worker and nothing else.

use std::{
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use super::launcher::Channels;
use crate::wire::Launch;

/// What runs inside CPython.
pub(crate) const PYTHON: &str = concat!(
    include_str!("shims/python/frames.py"),
    include_str!("shims/python/values.py"),
    include_str!("shims/python/output.py"),
    include_str!("shims/python/evaluations.py"),
    include_str!("shims/python/tasks.py"),
    include_str!("shims/python/channels.py"),
    include_str!("shims/python/serve.py"),
);

/// Where the program finds its control channel, the page and its shim.
const PLACES: [i32; 3] = [3, 4, 5];

/// What stands for the shim among the arguments.
const SHIM: &str = "{shim}";

/// Becomes the program of a launch. Returns when it cannot.
pub(super) fn become_program(launch: &Launch, channels: Channels) -> String {
    let Some((program, arguments)) = launch.runtime.command.split_first() else {
        return "no program was named".to_owned();
    };
    let Channels { control, page, shim } = channels;
    let Some(shim) = shim else { return "its shim is missing".to_owned() };
    if let Err(error) = put_in_place([control, page, shim]) {
        return format!("its descriptors cannot be put in place: {error}");
    }
    let [control, page, shim] = PLACES;
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| argument.replace(SHIM, &format!("/proc/self/fd/{shim}"))));
    command.args([control.to_string(), page.to_string(), launch.message_limit.to_string()]);
    format!("cannot execute `{program}`: {}", command.exec())
}

/// Moves descriptors out of the way first: one may be where another is to be.
fn put_in_place(descriptors: [OwnedFd; 3]) -> Result<(), rustix::io::Errno> {
    let above = PLACES[2] + 1;
    let moved = descriptors.each_ref().map(|it| rustix::io::fcntl_dupfd_cloexec(it, above));
    drop(descriptors);
    for (descriptor, place) in moved.into_iter().zip(PLACES) {
        let descriptor = descriptor?;
        #[expect(unsafe_code, reason = "a descriptor of a number of its own choice")]
        // SAFETY: what had this number was moved, or has no owner in this process, which is about to be another program.
        let placed = unsafe { libc::dup2(descriptor.as_fd().as_raw_fd(), place) };
        if placed < 0 {
            return Err(crate::sandbox::errno(&std::io::Error::last_os_error()));
        }
    }
    Ok(())
}
