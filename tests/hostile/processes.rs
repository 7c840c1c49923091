//! Programs that multiply, that reach for other processes, and that die in every way there is.

use std::{fs, os::unix::fs::PermissionsExt};

use oast::{Cause, Clock::Wall};

use super::{
    Row, not_played,
    program::{
        Program::{C, Function, JavaScript},
        request, source,
    },
    row,
    time::COUNTS_PROCESSES,
    told::Told::{Lost, MemoryLimit, OneOf, Raised, Signal, Stopped, Through, TimeLimit},
    wall_time,
};
use crate::{
    fixtures::{hostile, misbehave},
    harness::skip,
};

/// Forbidden; or, from a namespace of its own, not there.
const UNREACHABLE: super::Told = Stopped(&[libc::EPERM, libc::EACCES, libc::ESRCH, libc::ENOENT]);

pub(super) fn rows() -> Vec<Row> {
    [multiplying(), reaching(), dying()].into_iter().flatten().collect()
}

fn multiplying() -> Vec<Row> {
    vec![
        // Many processes have memory, too, each a little.
        row(
            26,
            "forks and lets its children fork",
            C(source!("fork_bomb.c")),
            OneOf(&[TimeLimit(Wall), MemoryLimit, Raised("signal 9")]),
        )
        .under(wall_time)
        .needs(COUNTS_PROCESSES),
        row(27, "leaves a daemon", C(source!("daemon.c")), Through),
        row(28, "forks faster than it is killed", C(source!("comets.c")), TimeLimit(Wall))
            .under(wall_time)
            .needs(COUNTS_PROCESSES),
        row(29, "has a thousand zombies", C(source!("zombies.c")), Stopped(&[libc::EAGAIN])).needs(COUNTS_PROCESSES),
        row(29, "leaves hundreds of orphans", C(source!("orphans.c")), Through).needs(COUNTS_PROCESSES),
    ]
}

fn reaching() -> Vec<Row> {
    vec![
        // It may kill the worker process that started it, and does.
        row(30, "kills everybody that it may", C(source!("kill_all.c")), Lost(Cause::KilledFromOutside(9)))
            .needs(&["landlock"]),
        row(31, "kills its parent", Function(|_| request(hostile::kill_its_parent, ())), UNREACHABLE)
            .needs(&["landlock"]),
        row(32, "looks into other processes", C(source!("reach_into.c")), UNREACHABLE).needs(&["landlock"]),
        not_played(
            33,
            "has a number that was another's",
            "no program can bring it about at will: signals go through descriptors of processes, or to guards that were not \
             collected",
        ),
        row(34, "makes namespaces", C(source!("namespaces.c")), Stopped(&[libc::EPERM])).needs(&["seccomp"]),
        row(35, "makes a namespace unseen", C(source!("clone3.c")), Stopped(&[libc::ENOSYS])).needs(&["seccomp"]),
        row(
            36,
            "runs a program with the rights of its owner",
            Function(|around| {
                if !rustix::process::geteuid().is_root() {
                    skip("only root can make a program that root's rights come with");
                }
                let program = source!("who_am_i.c").compiled(around.directory());
                let path = around.directory().join(&program);
                fs::set_permissions(path, fs::Permissions::from_mode(0o4755)).unwrap();
                request(hostile::run_program, (program, Vec::<String>::new(), around.told()))
            }),
            Stopped(&[libc::EPERM]),
        ),
        row(
            37,
            "replaces the program that all workers run",
            Function(|_| {
                let own = std::env::current_exe().unwrap().display().to_string();
                request(hostile::replace_own_program, (own,))
            }),
            Stopped(&[libc::EACCES, libc::EPERM, libc::EROFS, libc::ENOENT]),
        )
        .needs(&["landlock"]),
    ]
}

fn dying() -> Vec<Row> {
    vec![
        row(
            38,
            "leaves with a code that looks like a kill",
            Function(|_| request(misbehave::exit, (137,))),
            Lost(Cause::Exit(137)),
        ),
        row(
            38,
            "leaves with the code of a failed start",
            Function(|_| request(misbehave::exit, (1,))),
            Lost(Cause::Exit(1)),
        ),
        row(
            39,
            "aborts with a large map",
            Function(|_| request(hostile::abort_with_a_large_map, ())),
            Signal(&[libc::SIGABRT]),
        ),
        row(
            40,
            "overflows its stack",
            Function(|_| request(misbehave::overflow_the_stack, ())),
            Signal(&[libc::SIGABRT, libc::SIGSEGV]),
        ),
        row(40, "overflows the stack of its program", C(source!("recursion.c")), Raised("signal 11")),
        row(
            40,
            "overflows its stack in javascript",
            JavaScript("(function deeper() { return 1 + deeper() })()"),
            Raised("stack"),
        ),
        row(41, "executes nonsense", Function(|_| request(hostile::execute_nonsense, ())), Signal(&[libc::SIGILL])),
        row(41, "divides by zero", Function(|_| request(hostile::divide_by_zero, ())), Signal(&[libc::SIGFPE])),
        row(
            41,
            "frees memory twice",
            Function(|_| request(hostile::free_twice, ())),
            Signal(&[libc::SIGABRT, libc::SIGSEGV]),
        ),
    ]
}
