//! A plan as a flat list of system calls. Everything is decided when the list is made; whoever carries it out looks at nothing,
//! takes no memory, and may be written in any language: a runtime that forks its worker processes by itself does it in the
//! forked child.
//!
//! To carry it out is to go through the list, in a process with one thread. For each step:
//!
//! 1. It is left out where one of the parts that it [needs](Step::needs) is lacking, and where all parts are there
//!    that it is an [alternative](Step::unless) to.
//! 2. Its [call](Call) is made. What it returns is kept where a later step [has it](Argument::Kept) among its arguments.
//! 3. An error that it [forgives](Step::forgives) is none, or is the reason why the last of the parts that it needs is lacking from
//!    then on. Any other error ends the start.
//!
//! Between `enter` and `confine`, whoever has made a namespace of processes forks whoever is to be in it.

use std::{
    ffi::CString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::io::Errno;
use serde::{Serialize, Serializer};

use super::plan::{Failed, errno};

/// A system call by the name that its number has, and what it is made with.
macro_rules! call {
    ($number:ident $(, $argument:expr)* $(,)?) => {
        $crate::sandbox::steps::Call {
            name: stringify!($number).split_at(4).1,
            number: libc::$number,
            arguments: vec![$($argument.into()),*],
        }
    };
}
pub(super) use call;

/// A plan that is to be carried out.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Steps {
    /// Carried out before all others. It is made for one worker process, as the rest is for all that are alike.
    pub(crate) join: Vec<Step>,
    /// Carried out by whoever forks the worker process proper, where it has a namespace of processes.
    pub(crate) enter: Vec<Step>,
    /// Carried out in the worker process proper.
    pub(crate) confine: Vec<Step>,
    /// Whether whoever is forked between the halves is the first process of a namespace, which ends all others in it when it
    /// ends; but not where namespaces are lacking.
    pub(crate) has_processes: bool,
}

/// One system call, and when it is made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// What it is for. Completes "failed to".
    pub(super) what: &'static str,
    /// None of these may be lacking.
    pub(super) needs: Vec<Part>,
    /// One of these must be lacking, where there are any.
    pub(super) unless: Vec<Part>,
    pub(super) call: Call,
    /// Where the result is kept.
    pub(super) keep: Option<Slot>,
    pub(super) forgives: Option<Forgiven>,
}

/// What this machine may turn out to lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    ControlGroups,
    Namespaces,
    Root,
    Directory,
    SystemCalls,
}

/// A place for a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Slot {
    /// A file that is written to or is about to be named in a rule.
    File,
    /// The directory that the worker process was given.
    Directory,
    /// Rules about files.
    Rules,
}

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Call {
    /// What the manual calls it.
    pub(super) name: &'static str,
    /// What the kernel of this machine calls it.
    pub(super) number: libc::c_long,
    pub(super) arguments: Vec<Argument>,
}

/// Which errors are none.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Forgiven {
    /// `None` stands for all of them.
    #[serde(serialize_with = "numbers")]
    pub(super) errors: Option<&'static [Errno]>,
    /// Whether the last of the parts that the step needs is lacking then.
    pub(super) lacking: bool,
}

/// What a system call is made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Argument {
    /// A number as it is.
    Number(libc::c_long),
    /// A pointer to text that ends with a zero.
    #[serde(serialize_with = "text")]
    Text(CString),
    /// A pointer to bytes.
    Bytes(Vec<u8>),
    /// What an earlier call returned.
    Kept(Slot),
    /// A pointer to eight bytes, and to what an earlier call returned in the four behind them.
    Beneath(u64, Slot),
    /// A pointer to a `struct sock_fprog`: how many instructions of eight bytes there are, as a number of 16 bits, and a
    /// pointer to them, at the next place that is a multiple of a pointer's size.
    Program(Vec<u8>),
}

/// How many results are kept at a time.
const SLOTS: usize = 3;

/// What is lacking here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lacking(u8);

impl Lacking {
    pub(crate) const fn has(self, part: Part) -> bool {
        self.0 & (1 << part as u8) != 0
    }

    #[must_use]
    pub(crate) const fn and(self, part: Part) -> Self {
        Self(self.0 | 1 << part as u8)
    }
}

/// Carries steps out in this process, which is single-threaded, and tells what is lacking.
pub(crate) fn carry_out(steps: &[Step], mut lacking: Lacking) -> Result<Lacking, Failed> {
    let mut kept = [-1; SLOTS];
    for step in steps {
        if !step.applies(lacking) {
            continue;
        }
        match step.call.make(&kept) {
            Ok(result) => step.keep.into_iter().for_each(|slot| kept[slot as usize] = result),
            Err(errno) => match step.forgives.filter(|forgiven| forgiven.has(errno)) {
                None => return Err(Failed { step: step.what, errno }),
                Some(Forgiven { lacking: false, .. }) => {}
                Some(Forgiven { lacking: true, .. }) => {
                    lacking = step.needs.last().map_or(lacking, |part| lacking.and(*part));
                }
            },
        }
    }
    Ok(lacking)
}

impl Step {
    pub(super) const fn new(what: &'static str, call: Call) -> Self {
        Self { what, needs: Vec::new(), unless: Vec::new(), call, keep: None, forgives: None }
    }

    pub(super) const fn keep(mut self, slot: Slot) -> Self {
        self.keep = Some(slot);
        self
    }

    /// Goes on after these errors, or after whatever error.
    pub(super) const fn ignoring(mut self, errors: Option<&'static [Errno]>) -> Self {
        self.forgives = Some(Forgiven { errors, lacking: false });
        self
    }

    /// These errors say that what it is a part of is lacking here; but for what is forgiven already.
    pub(super) fn lacking(mut self, errors: Option<&'static [Errno]>) -> Self {
        self.forgives.get_or_insert(Forgiven { errors, lacking: true });
        self
    }

    /// Is left out where one of these is lacking.
    pub(super) fn needing(mut self, parts: &[Part]) -> Self {
        self.needs.extend(parts);
        self
    }

    /// Is left out where all of these are there.
    pub(super) fn unless(mut self, parts: &[Part]) -> Self {
        self.unless.extend(parts);
        self
    }

    /// Says why it is taken, where that is worth saying.
    pub(super) fn called(self, what: &'static str) -> Self {
        Self { what, ..self }
    }

    fn applies(&self, lacking: Lacking) -> bool {
        let is_here = |part: &Part| !lacking.has(*part);
        self.needs.iter().all(is_here) && (self.unless.is_empty() || !self.unless.iter().all(is_here))
    }
}

/// Opens a file, writes to it at once, and closes it.
pub(super) fn write(what: &'static str, path: &Path, text: &str) -> [Step; 3] {
    let flags = libc::O_WRONLY | libc::O_CLOEXEC;
    [
        Step::new(what, call!(SYS_openat, libc::AT_FDCWD, path, flags)).keep(Slot::File),
        Step::new(what, call!(SYS_write, Slot::File, Argument::Bytes(text.into()), text.len())),
        Step::new(what, call!(SYS_close, Slot::File)),
    ]
}

impl Forgiven {
    fn has(&self, errno: Errno) -> bool {
        self.errors.is_none_or(|errors| errors.contains(&errno))
    }
}

impl Call {
    fn make(&self, kept: &[libc::c_long; SLOTS]) -> Result<libc::c_long, Errno> {
        let mut numbers = [0; 6];
        let mut beneath = [0; 12];
        let mut program = libc::sock_fprog { len: 0, filter: std::ptr::null_mut() };
        for (number, argument) in numbers.iter_mut().zip(&self.arguments) {
            *number = match argument {
                Argument::Number(number) => *number,
                Argument::Text(text) => text.as_ptr() as libc::c_long,
                Argument::Bytes(bytes) => bytes.as_ptr() as libc::c_long,
                Argument::Kept(slot) => kept[*slot as usize],
                Argument::Beneath(first, slot) => {
                    beneath[..8].copy_from_slice(&first.to_ne_bytes());
                    beneath[8..].copy_from_slice(&kept[*slot as usize].to_ne_bytes()[..4]);
                    beneath.as_ptr() as libc::c_long
                }
                Argument::Program(bytes) => {
                    program.len = u16::try_from(bytes.len() / 8).unwrap_or(0);
                    program.filter = bytes.as_ptr().cast_mut().cast();
                    &raw const program as libc::c_long
                }
            };
        }
        let [a, b, c, d, e, f] = numbers;
        #[expect(unsafe_code, reason = "what is to be called is data")]
        // SAFETY: whoever made the step knows what the call takes. What its arguments point to outlives it.
        let result = unsafe { libc::syscall(self.number, a, b, c, d, e, f) };
        if result < 0 { Err(errno(&std::io::Error::last_os_error())) } else { Ok(result) }
    }
}

impl From<i32> for Argument {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Argument {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Argument {
    fn from(number: usize) -> Self {
        Self::Number(number.cast_signed() as libc::c_long)
    }
}

impl From<u64> for Argument {
    fn from(number: u64) -> Self {
        Self::Number(number.cast_signed())
    }
}

impl From<Slot> for Argument {
    fn from(slot: Slot) -> Self {
        Self::Kept(slot)
    }
}

impl From<&PathBuf> for Argument {
    fn from(path: &PathBuf) -> Self {
        Self::from(&**path)
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::from(Path::new(text))
    }
}

/// A path that the kernel could not be told, for it has a zero in it, is none that there is.
impl From<&Path> for Argument {
    fn from(path: &Path) -> Self {
        Self::Text(CString::new(path.as_os_str().as_bytes()).unwrap_or_default())
    }
}

/// As text where it is text, and as bytes otherwise.
fn text<S: Serializer>(text: &CString, to: S) -> Result<S::Ok, S::Error> {
    match text.to_str() {
        Ok(text) => to.serialize_str(text),
        Err(_not_text) => text.to_bytes().serialize(to),
    }
}

fn numbers<S: Serializer>(errors: &Option<&'static [Errno]>, to: S) -> Result<S::Ok, S::Error> {
    errors.map(|errors| errors.iter().map(|errno| errno.raw_os_error()).collect::<Vec<_>>()).serialize(to)
}
