//! Programs that reach for files, variables, networks and rights that are not theirs.

use super::{
    Row,
    program::{
        Program::{C, Function, Script},
        request, source,
    },
    row,
    told::{
        NO_ROOM,
        Told::{MemoryLimit, OneOf, Stopped, Through, TimeLimit},
    },
    wall_time,
};
use crate::fixtures::hostile;

/// Kept from it by whichever wall comes first.
const REFUSED: super::Told = Stopped(&[libc::EACCES, libc::EPERM, libc::EROFS, libc::ENOENT, libc::EXDEV]);

pub(super) fn rows() -> Vec<Row> {
    [reading(), writing(), gaining()].into_iter().flatten().collect()
}

fn reading() -> Vec<Row> {
    vec![
        row(
            57,
            "reads what belongs to its host",
            Function(|around| {
                let host = |file: &str| format!("/proc/{}/{file}", std::process::id());
                let neighbour = format!("/proc/{}/environ", around.neighbour);
                let known = ["/etc/shadow", "/etc/passwd", "/proc/1/environ", "/proc/kcore", "/dev/mem"];
                let known = known.into_iter().map(str::to_owned);
                let others = [host("environ"), host("maps"), host("cmdline"), neighbour, around.file("secret")];
                // Who runs as the same user may have given it the directory, and with it what is in it.
                let is_root = rustix::process::geteuid().is_root();
                let others = others.into_iter().take(if is_root { 5 } else { 4 });
                request(hostile::read_all, (known.chain(others).collect::<Vec<_>>(),))
            }),
            REFUSED,
        )
        .needs(&["landlock"]),
        // The harness has told this process what it is, in such a variable.
        row(58, "finds a secret in its environment", Script("sh", source!("environment.sh")), Through),
        row(64, "has what its host left open", Function(|_| request(hostile::find_what_leaked, ())), Through),
    ]
}

fn writing() -> Vec<Row> {
    vec![
        row(
            59,
            "writes where it may not",
            Function(|around| {
                let folders = ["/", "/etc", "/usr/bin", "/var/tmp", "/run", "/proc/self", "/sys"];
                let all = folders.map(|folder| format!("{folder}/{}", around.mark)).to_vec();
                let known = ["/etc/passwd", "/proc/self/mem"];
                let known = known.into_iter().map(str::to_owned).chain([around.file("secret"), around.file("large")]);
                request(hostile::write_all, (all.into_iter().chain(known).collect::<Vec<_>>(),))
            }),
            REFUSED,
        )
        .needs(&["landlock"]),
        row(60, "fills the disk", C(source!("fill_disk.c")), OneOf(&[NO_ROOM, MemoryLimit])),
        // Where it has a root of its own, what it plants is there for itself alone.
        row(61, "plants links and devices", C(source!("plant.c")), OneOf(&[Through, REFUSED])),
        row(
            62,
            "holds a file that is removed",
            C(source!("unlinked.c")),
            OneOf(&[NO_ROOM, TimeLimit(oast::Clock::Wall)]),
        )
        .under(wall_time),
        row(63, "leaves files for whoever comes next", C(source!("leave_files.c")), OneOf(&[NO_ROOM, Through])),
    ]
}

fn gaining() -> Vec<Row> {
    vec![
        row(65, "talks to whoever listens", C(source!("network.c")), Stopped(&[libc::EPERM])).needs(&["seccomp"]),
        row(66, "makes system calls of administrators", C(source!("system_calls.c")), Stopped(&[libc::EPERM]))
            .needs(&["seccomp"]),
        row(
            67,
            "plants variables for whoever comes next",
            Function(|around| request(hostile::plant_variables, (around.mark.clone(),))),
            Through,
        ),
        row(
            67,
            "plants libraries for whoever comes next",
            Function(|around| request(hostile::plant_libraries, (around.mark.clone(),))),
            REFUSED,
        )
        .needs(&["landlock"]),
        row(68, "raises its limits", C(source!("raise_limits.c")), Stopped(&[libc::EPERM])),
    ]
}
