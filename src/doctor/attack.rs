//! Attacks that do no harm, carried out here: what walls hold on this machine is seen rather than concluded.
//!
//! Each is a function of this program that tries one thing in a worker process of its own, of the profile `untrusted` as it
//! is configured, and says whether it got through. Whatever it aims at (a secret, a server, a process) is bait of this
//! process's own.

use std::{
    fs, io,
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::MemfdFlags,
    process::{Pid, Resource, Rlimit, getpid},
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    BlockingCallExt, BlockingWorker, CallError, Cause, EvalError, Oast, Spec, StartError,
    config::{Config, Profile},
    sandbox::descendants,
};

/// What was tried, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attempt {
    /// What was tried.
    pub what: &'static str,
    /// What the caller was told.
    pub told: String,
    /// Whether it was kept from what it tried.
    pub is_held: bool,
    /// How many processes were left when the worker was stopped.
    pub left_behind: usize,
}

/// Why nothing was tried.
#[derive(Debug, Error)]
pub enum AttackError {
    /// What the attacks aim at cannot be made: files in the directory for temporary ones, and sockets.
    #[error("the bait cannot be laid: {0}")]
    Bait(#[from] io::Error),
    /// Oast does not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// What the attacks aim at.
struct Bait {
    directory: PathBuf,
    secret: PathBuf,
    socket: PathBuf,
    tcp: TcpListener,
    udp: UdpSocket,
    _service: UnixListener,
}

/// What a function says that tried something: `Ok` when it got through, otherwise the number of the error.
type Tried = Result<(), i32>;

type Attack = (&'static str, fn(&BlockingWorker, &Bait) -> Result<Tried, CallError>);

const ATTACKS: [Attack; 14] = [
    ("read a secret of its host", |worker, bait| worker.call(read, (text(&bait.secret),))),
    ("read the environment of its host", |worker, _| worker.call(read, (format!("/proc/{}/environ", pid()),))),
    ("write where everybody may write", |worker, bait| worker.call(fill, (text(&bait.directory),))),
    ("reach a server of this machine by TCP", |worker, bait| worker.call(connect, (port(bait.tcp.local_addr()),))),
    ("reach a server of this machine by UDP", |worker, bait| worker.call(send, (port(bait.udp.local_addr()),))),
    ("reach a service of this machine by its file", |worker, bait| worker.call(connect_by_path, (text(&bait.socket),))),
    ("signal its host", |worker, _| worker.call(signal, (pid(),))),
    ("be root", |worker, _| worker.call(be_root, ())),
    ("raise a limit of its own", |worker, _| worker.call(raise_limit, ())),
    ("start a thousand threads", |worker, _| worker.call(multiply, ())),
    ("use more memory than it may", |worker, _| worker.call(hoard, ())),
    ("use more memory, in a file without a name", |worker, _| worker.call(hoard_in_a_file, ())),
    ("run for ever", |worker, _| worker.call(run_for_ever, ())),
    ("overflow its stack", |worker, _| worker.call(overflow, ())),
];

/// Carries out all of them, one after another; the profile `untrusted` of `config` says what they run into. Takes as long as
/// that lets code run for ever, and some seconds more.
///
/// # Errors
/// There is nothing to aim at, or Oast does not start.
pub fn attack(mut config: Config) -> Result<Vec<Attempt>, AttackError> {
    if let Some(profile) = config.profiles.get_mut("untrusted") {
        let limit = &mut profile.limits.wall_time;
        *limit = Some(limit.map_or(PATIENCE, |limit| limit.min(PATIENCE)));
    }
    let bait = Bait::lay()?;
    let oast = Oast::start(config)?;
    Ok(ATTACKS.iter().map(|attack| carry_out(&oast, attack, &bait)).collect())
}

/// How long an attack may run.
const PATIENCE: Duration = Duration::from_secs(3);

/// How much is hoarded at least, if nothing is in the way.
const HOARD: usize = 4 << 30;

fn carry_out(oast: &Oast, (what, attack): &Attack, bait: &Bait) -> Attempt {
    // The profile is built in: a configuration can change it, and not take it away.
    let profile = oast.config().profiles.get("untrusted").cloned().unwrap_or_else(Profile::untrusted);
    let spec = Spec::functions(what).profile(profile);
    let (told, is_held) = match oast.blocking().worker(spec) {
        Err(error) => not_tried(&error),
        Ok(worker) => {
            let told = verdict(attack(&worker, bait));
            worker.kill();
            told
        }
    };
    Attempt { what, told, is_held, left_behind: left_behind() }
}

fn verdict(tried: Result<Tried, CallError>) -> (String, bool) {
    match tried {
        Ok(Ok(())) => ("it got through".to_owned(), false),
        Ok(Err(errno)) => (io::Error::from_raw_os_error(errno).to_string(), true),
        Err(CallError::Evaluation(EvalError::Lost(report) | EvalError::Quarantined { report, .. })) => {
            let is_held = !matches!(report.cause, Cause::SupervisorLost);
            (report.cause.to_string(), is_held)
        }
        Err(error @ CallError::Evaluation(EvalError::Interrupted(_)) | error @ CallError::Raised(_)) => {
            (error.to_string(), true)
        }
        Err(error) => not_tried(&error),
    }
}

/// What was not tried says nothing of the walls.
fn not_tried(error: &dyn std::error::Error) -> (String, bool) {
    (format!("was not tried: {error}"), false)
}

/// How many processes are left, after the time that ending them may take.
fn left_behind() -> usize {
    let since = Instant::now();
    loop {
        let left = descendants::of(getpid()).len();
        if left == 0 || since.elapsed() > PATIENCE {
            return left;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

impl Bait {
    fn lay() -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("oast-bait-{}", pid()));
        // Of its own, whoever else writes there: what is there already is nobody's bait.
        fs::create_dir(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o777))?;
        let (secret, socket) = (directory.join("secret"), directory.join("service"));
        fs::write(&secret, "secret")?;
        let _service = UnixListener::bind(&socket)?;
        Ok(Self {
            directory,
            secret,
            socket,
            tcp: TcpListener::bind("127.0.0.1:0")?,
            udp: UdpSocket::bind("127.0.0.1:0")?,
            _service,
        })
    }
}

impl Drop for Bait {
    fn drop(&mut self) {
        // Somebody else may have tidied up.
        drop(fs::remove_dir_all(&self.directory));
    }
}

fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

fn pid() -> i32 {
    getpid().as_raw_nonzero().get()
}

fn port(address: io::Result<std::net::SocketAddr>) -> u16 {
    address.map_or(0, |address| address.port())
}

fn tried<T>(result: io::Result<T>) -> Tried {
    result.map(drop).map_err(|error| error.raw_os_error().unwrap_or(0))
}

fn read(path: String) -> Tried {
    tried(fs::read(path))
}

/// Fills a file, and takes it away again where it could.
fn fill(directory: String) -> Tried {
    let path = PathBuf::from(directory).join(format!("oast-was-here-{}", pid()));
    let written = tried(fs::write(&path, vec![1; 1 << 20]));
    drop(fs::remove_file(path));
    written
}

fn connect(port: u16) -> Tried {
    tried(TcpStream::connect(("127.0.0.1", port)))
}

fn connect_by_path(path: String) -> Tried {
    tried(UnixStream::connect(path))
}

fn send(port: u16) -> Tried {
    tried(UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"it was here", ("127.0.0.1", port))))
}

fn signal(pid: i32) -> Tried {
    let pid = Pid::from_raw(pid).ok_or(0)?;
    rustix::process::test_kill_process(pid).map_err(rustix::io::Errno::raw_os_error)
}

fn be_root() -> Tried {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err(libc::EPERM) }
}

fn raise_limit() -> Tried {
    let more = Rlimit { current: Some(1 << 20), maximum: Some(1 << 20) };
    rustix::process::setrlimit(Resource::Nofile, more).map_err(rustix::io::Errno::raw_os_error)
}

fn multiply() -> Tried {
    let rest = || thread::sleep(PATIENCE);
    (0..1000).try_for_each(|_| tried(thread::Builder::new().stack_size(16 << 10).spawn(rest)))
}

fn hoard() -> Tried {
    let mut all = Vec::new();
    while all.len() < HOARD >> 20 {
        all.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
    Ok(())
}

fn hoard_in_a_file() -> Tried {
    let raw = rustix::io::Errno::raw_os_error;
    let file = rustix::fs::memfd_create("hoard", MemfdFlags::CLOEXEC).map_err(raw)?;
    let piece = vec![1; 1 << 20];
    (0..HOARD).step_by(piece.len()).try_for_each(|_| rustix::io::write(&file, &piece).map(drop).map_err(raw))
}

fn run_for_ever() -> Tried {
    let since = Instant::now();
    while since.elapsed() < 20 * PATIENCE {
        std::hint::spin_loop();
    }
    Ok(())
}

fn overflow() -> Tried {
    fn deeper(depth: u64) -> u64 {
        let room = std::hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { deeper(depth + 1).wrapping_add(room[7]) }
    }
    std::hint::black_box(deeper(0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_told_an_error_was_kept_from_it() {
        assert_eq!(verdict(Ok(Ok(()))), ("it got through".to_owned(), false));
        assert!(verdict(Ok(Err(libc::EACCES))).1);
    }
}
