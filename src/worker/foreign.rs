//! Runtimes that are other programs. A confined worker process becomes one, with the descriptors of a worker and nothing else; a
//! template becomes one before there is anything to confine.

use std::{
    fs::File,
    io::{Seek, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use rustix::{fs::MemfdFlags, io::Errno};

use super::{
    launcher::{Channels, Failure},
    template,
};
use crate::{
    sandbox,
    wire::{Launch, RuntimeSettings, TemplateSettings},
};

/// What runs inside CPython.
const PYTHON: &str = concat!(
    include_str!("shims/python/frames.py"),
    include_str!("shims/python/values.py"),
    include_str!("shims/python/output.py"),
    include_str!("shims/python/evaluations.py"),
    include_str!("shims/python/tasks.py"),
    include_str!("shims/python/channels.py"),
    include_str!("shims/python/steps.py"),
    include_str!("shims/python/template.py"),
    include_str!("shims/python/serve.py"),
);

/// What stands for the shim among the arguments of a command.
pub(crate) const SHIM: &str = "{shim}";

/// The number of the first descriptor that the program is given. The shim is the last of them.
const FIRST: i32 = 3;

/// Becomes the program of a launch, which serves as its worker process. Returns when it cannot.
pub(super) fn become_worker(launch: &Launch, channels: Channels) -> String {
    let Channels { control, page } = channels;
    let limit = [launch.message_limit.to_string()];
    execute(&launch.runtime, vec![control, page], "worker", &limit)
}

/// Becomes the program of a template. Returns when it cannot.
pub(super) fn become_template(settings: &TemplateSettings) -> Result<(), Failure> {
    let steps = template::steps(settings)?;
    let text = serde_json::to_vec(&steps).map_err(|error| Failure::because("tell the steps", error.to_string()))?;
    let steps = file(&text).map_err(Failure::at("tell the steps"))?;
    let this =
        File::open("/proc/self/exe").map_err(|error| Failure::at("find this program")(sandbox::errno(&error)))?;
    let failed = execute(&settings.runtime, vec![steps, this.into()], "template", &settings.runtime.preload);
    Err(Failure::because("start the runtime", failed))
}

/// Executes the program of a runtime: `PROGRAM ARGUMENTS... ROLE DESCRIPTORS... REST...`.
fn execute(runtime: &RuntimeSettings, mut descriptors: Vec<OwnedFd>, role: &str, rest: &[String]) -> String {
    let Some((program, arguments)) = runtime.command.split_first() else {
        return "no program was named".to_owned();
    };
    let count = i32::try_from(descriptors.len()).unwrap_or(i32::MAX);
    match file(PYTHON.as_bytes()) {
        Ok(shim) => descriptors.push(shim),
        Err(errno) => return format!("its shim cannot be made: {errno}"),
    }
    if let Err(errno) = put_in_place(descriptors) {
        return format!("its descriptors cannot be put in place: {errno}");
    }
    let shim = format!("/proc/self/fd/{}", FIRST + count);
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| argument.replace(SHIM, &shim)));
    command.arg(role).args((FIRST..FIRST + count).map(|number| number.to_string())).args(rest);
    format!("cannot execute `{program}`: {}", command.exec())
}

/// A file that nobody else has.
fn file(content: &[u8]) -> Result<OwnedFd, Errno> {
    let mut file = File::from(rustix::fs::memfd_create("oast", MemfdFlags::CLOEXEC)?);
    file.write_all(content).and_then(|()| file.rewind()).map_err(|error| sandbox::errno(&error))?;
    Ok(file.into())
}

/// Gives descriptors their numbers. They are moved out of the way first: one may be where another is to be.
fn put_in_place(descriptors: Vec<OwnedFd>) -> Result<(), Errno> {
    let above = FIRST + i32::try_from(descriptors.len()).unwrap_or(i32::MAX);
    let moved = descriptors.iter().map(|it| rustix::io::fcntl_dupfd_cloexec(it, above));
    let moved = moved.collect::<Result<Vec<_>, _>>()?;
    drop(descriptors);
    for (descriptor, number) in moved.iter().zip(FIRST..) {
        #[expect(unsafe_code, reason = "a descriptor of a number of its own choice")]
        // SAFETY: what had this number was moved, or has no owner in this process, which is about to be another program.
        let placed = unsafe { libc::dup2(descriptor.as_raw_fd(), number) };
        if placed < 0 {
            return Err(sandbox::errno(&std::io::Error::last_os_error()));
        }
    }
    Ok(())
}
