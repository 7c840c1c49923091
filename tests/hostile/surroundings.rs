//! What is around a hostile program: things of its host that it may aim at, and places where it could leave something.

use std::{
    collections::BTreeSet,
    fs,
    net::{TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr, UnixListener},
        },
    },
    path::Path,
    time::Instant,
};

use rustix::process::getpid;

use crate::{
    harness::{descendants, describe},
    stage::{PATIENCE, Scratch, lives, pause},
    walls::own_groups,
};

/// Where anybody may write, on the machines of many.
const PUBLIC: [&str; 5] = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock"];

/// Where the kernel lists what is shared without a file.
const SHARED: [&str; 3] = ["/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg"];

/// How many bytes a file has that is far larger than what a stranger may use.
const LARGE: u64 = 256 << 20;

/// What is around a hostile program.
pub(super) struct Surroundings {
    scratch: Scratch,
    /// What every trace of this program has in its name.
    pub(super) mark: String,
    /// A process of somebody else's, who trusts it.
    pub(super) neighbour: u32,
    tcp: TcpListener,
    udp: UdpSocket,
    _abstract: UnixListener,
    /// Open without any care for who inherits it.
    _open: fs::File,
}

impl Surroundings {
    /// With a directory that it may read, in which there are a file that is its host's alone, and a large one.
    pub(super) fn new(neighbour: u32) -> Self {
        let scratch = Scratch::new();
        let mark = format!("oast-mark-{}", getpid().as_raw_nonzero());
        open_to_all(scratch.directory());
        fs::write(scratch.file("secret"), "secret").unwrap();
        fs::set_permissions(scratch.file("secret"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::File::create(scratch.file("large")).unwrap().set_len(LARGE).unwrap();
        let address = SocketAddr::from_abstract_name(&mark).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        udp.set_nonblocking(true).unwrap();
        let _open = fs::File::open(scratch.file("secret")).unwrap();
        rustix::io::fcntl_setfd(&_open, rustix::io::FdFlags::empty()).unwrap();
        Self { scratch, mark, neighbour, tcp, udp, _abstract: UnixListener::bind_addr(&address).unwrap(), _open }
    }

    pub(super) fn directory(&self) -> &Path {
        self.scratch.directory()
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.scratch.file(name)
    }

    /// What a program finds in its environment.
    pub(super) fn told(&self) -> Vec<(String, String)> {
        let port = |port: u16| port.to_string();
        let all = [
            ("MARK", self.mark.clone()),
            ("NEIGHBOUR", self.neighbour.to_string()),
            ("HOST", getpid().as_raw_nonzero().to_string()),
            ("TCP", port(self.tcp.local_addr().unwrap().port())),
            ("UDP", port(self.udp.local_addr().unwrap().port())),
        ];
        all.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// What could be left behind: processes, groups, files, memory without one.
    pub(super) fn look(&self) -> BTreeSet<String> {
        let marked = PUBLIC.into_iter().flat_map(|place| files(Path::new(place)));
        let marked = marked.filter(|path| path.contains(&self.mark));
        let own = files(self.directory());
        let shared = SHARED.into_iter().flat_map(|list| {
            let lines = fs::read_to_string(list).unwrap_or_default();
            lines.lines().skip(1).map(|line| format!("{list}: {line}")).collect::<Vec<_>>()
        });
        let processes = living().into_iter().map(|pid| format!("process {pid}"));
        let groups = own_groups().into_iter().map(|group| group.display().to_string());
        marked.chain(own).chain(shared).chain(processes).chain(groups).collect()
    }

    /// Waits until there is nothing that was not there before.
    pub(super) async fn wait_for_nothing_new(&self, before: &BTreeSet<String>) {
        let by = Instant::now() + PATIENCE;
        loop {
            let now = self.look();
            let new: Vec<_> = now.difference(before).collect();
            if new.is_empty() {
                return;
            }
            let processes: Vec<_> = descendants(getpid()).into_iter().map(describe).collect();
            assert!(Instant::now() < by, "left behind: {new:?}, of {processes:?}");
            pause(2).await;
        }
    }

    /// Nobody has reached its servers.
    pub(super) fn assert_unreached(&self) {
        assert!(self.tcp.accept().is_err(), "somebody connected by TCP");
        assert!(self.udp.recv(&mut [0; 8]).is_err(), "somebody sent something by UDP");
    }
}

/// Those that have started from here and have not ended. One that has lost its parent is collected by the harness.
pub(super) fn living() -> Vec<i32> {
    let pids = descendants(getpid()).into_iter().map(|pid| pid.as_raw_nonzero().get());
    pids.filter(|pid| lives(*pid)).collect()
}

/// Whoever compiles for `nobody` may have the strictest of habits.
fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}
