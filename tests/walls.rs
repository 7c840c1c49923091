//! What a worker process of the profile `untrusted` cannot do: each row is something it tries, and what stops it.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr, UnixListener},
        },
    },
    path::PathBuf,
};

use libtest_mimic::Trial;
use oast::{
    Cause, Enforcer, Spec, Value, Worker,
    config::{ByteSize, Config, Files, Mechanism, Network, Privileges, Profile, SystemCalls},
    doctor,
};
use rustix::process::{geteuid, getpid};

use crate::{
    fixtures::{behave, misbehave, trespass},
    harness::{bury_the_adopted, descendants, skip},
    stage::{Scratch, call, done, javascript, lives, lost, refusal, returned, start, status, until, value, within},
};

pub(crate) fn tests() -> Vec<Trial> {
    promises!("walls":
        strangers_reach_no_file_of_others,
        strangers_write_nothing_that_others_see,
        strangers_have_a_root_of_their_own,
        a_guard_that_is_killed_takes_everything_along,
        a_guard_alone_holds_its_namespace,
        strangers_reach_no_network,
        strangers_reach_no_other_process,
        strangers_gain_nothing,
        strangers_fork_a_few_times_and_leave_nothing,
        memory_that_no_process_has_counts,
        memory_of_all_processes_counts_together,
        control_groups_are_removed,
        processor_time_is_held_to_a_quota,
        what_everybody_needs_is_there,
        a_directory_that_nobody_named_is_not_readable,
        each_wall_stands_alone,
        worker_processes_go_before_their_host_where_a_machine_is_out_of_memory,
        modules_beside_a_program_are_found,
        what_a_profile_requires_is_there_or_the_worker_is_refused,
        whoever_is_trusted_is_not_confined,
    )
}

fn untrusted() -> Profile {
    let mut profile = Profile::untrusted();
    profile.restart.intensity = u32::MAX;
    profile
}

fn stranger() -> Worker {
    start(Spec::functions("stranger").profile(untrusted()))
}

/// Whether this machine has something, or the test is skipped.
pub(crate) fn needs(name: &str) {
    let report = doctor::report(&Config::default());
    let found = report.mechanisms.iter().find(|mechanism| mechanism.name == name).unwrap();
    if !found.is_available {
        skip(format!("this machine has no `{name}`: {}", found.found));
    }
}

async fn strangers_reach_no_file_of_others() {
    needs("landlock");
    let scratch = Scratch::new();
    let secret = scratch.file("secret");
    fs::write(&secret, "secret").unwrap();
    let worker = stranger();
    for path in [secret.as_str(), "/etc/passwd", "/etc/shadow"] {
        let stopped: Option<i32> = returned(call(&worker, trespass::read, (path.to_owned(),)).await);
        assert!(stopped.is_some(), "it read {path}");
    }
    let pid = getpid().as_raw_nonzero().get();
    let stopped: Option<i32> = returned(call(&worker, trespass::read_environment, (pid,)).await);
    assert!(stopped.is_some(), "it read the environment of its host");
    done(worker).await;
}

async fn strangers_write_nothing_that_others_see() {
    needs("landlock");
    let scratch = Scratch::new();
    let worker = stranger();
    for path in [scratch.file("new").as_str(), "/tmp/oast-was-here", "/dev/shm/oast-was-here", "oast-was-here"] {
        let _stopped: Option<i32> = returned(call(&worker, trespass::write, (path.to_owned(),)).await);
        assert!(!fs::exists(path).unwrap(), "it wrote {path}");
    }
    let own = scratch.file("own");
    fs::write(&own, "what was here").unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(returned::<Option<i32>>(call(&worker, trespass::open_to_all, (own.clone(),)).await), Some(libc::EPERM));
    assert_eq!(returned::<Option<i32>>(call(&worker, trespass::cut_off, (own.clone(),)).await), Some(libc::EPERM));
    assert_eq!(fs::read_to_string(&own).unwrap(), "what was here");
    done(worker).await;
}

async fn strangers_have_a_root_of_their_own() {
    needs("user-namespaces");
    let mut profile = untrusted();
    profile.sandbox.scratch = ByteSize::mib(1);
    profile.sandbox.file_size = None;
    let worker = start(Spec::functions("rooted").profile(profile.clone()));
    let system = ["bin", "dev", "etc", "lib", "lib32", "lib64", "proc", "sbin", "scratch", "tmp", "usr"];
    let found: Vec<String> = returned(call(&worker, trespass::list, ("/".to_owned(),)).await);
    assert!(found.iter().all(|name| system.contains(&name.as_str())), "{found:?}");
    let found: Vec<String> = returned(call(&worker, trespass::list, ("/proc".to_owned(),)).await);
    let processes = found.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).count();
    assert_eq!(processes, 2, "its own, and the first of its namespace");
    let [stopped, written]: [u64; 2] = returned(call(&worker, trespass::fill, ("/dev/shm/full".to_owned(),)).await);
    assert_eq!(stopped, libc::ENOSPC as u64);
    assert!(written <= 1 << 20, "{written} bytes");
    done(worker).await;
    let worker = start(Spec::functions("rooted").profile(profile));
    let found: Vec<String> = returned(call(&worker, trespass::list, ("/dev/shm".to_owned(),)).await);
    assert!(found.is_empty(), "the one before left {found:?}");
    done(worker).await;
}

async fn a_guard_that_is_killed_takes_everything_along() {
    needs("user-namespaces");
    let worker = stranger();
    value(call(&worker, misbehave::leave_a_daemon, ()).await);
    let all = descendants(getpid());
    assert!(all.len() > 3, "there is a daemon");
    rustix::process::kill_process(all[0], rustix::process::Signal::KILL).unwrap();
    until("nothing is left", || {
        // The namespace waits for its last process to be collected, which is this one's by now.
        bury_the_adopted();
        all.iter().all(|pid| !lives(pid.as_raw_nonzero().get()))
    })
    .await;
    done(worker).await;
}

/// What its first process waits for is the end of a pipe. Whoever else had that end would keep all of it alive.
async fn a_guard_alone_holds_its_namespace() {
    needs("user-namespaces");
    let directory = Scratch::new();
    let own = stranger();
    // One whose directory is shown anyway, and one whose directory is shown to it.
    let system = start(Spec::functions("system").profile(untrusted()).directory("/usr/share"));
    let given = start(Spec::functions("given").profile(untrusted()).directory(directory.directory()));
    for worker in [own, system, given] {
        let (found, _): (Vec<String>, Vec<String>) = returned(call(&worker, behave::belongings, ()).await);
        let process = status(&worker).await.pid;
        let guard = descendants(getpid()).into_iter().find(|guard| children(*guard).contains(&process)).unwrap();
        let init = children(guard).into_iter().find(|child| *child != process).unwrap();
        // Only whoever may look into it is told.
        if let Ok(cord) = fs::read_link(format!("/proc/{init}/fd/0")) {
            let cord = cord.to_str().unwrap().to_owned();
            assert!(!open_files(process).contains(&cord), "the worker has it");
            let at_the_guard = open_files(guard.as_raw_nonzero().get().unsigned_abs());
            assert_eq!(at_the_guard.iter().filter(|file| **file == cord).count(), 1, "{at_the_guard:?}");
        }
        let foreign = open_files(process).into_iter().filter(|file| file.starts_with("/usr/share") || *file == "/");
        assert_eq!(foreign.count(), 0, "{found:?}");
        done(worker).await;
    }
}

fn children(pid: rustix::process::Pid) -> Vec<u32> {
    let pid = pid.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn open_files(pid: u32) -> Vec<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| Some(fs::read_link(file.path()).ok()?.to_string_lossy().into_owned())).collect()
}

async fn strangers_reach_no_network() {
    needs("seccomp");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let name = format!("oast-{}", getpid().as_raw_nonzero());
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let worker = stranger();
    let port = tcp.local_addr().unwrap().port();
    assert!(returned::<Option<i32>>(call(&worker, trespass::connect, (port,)).await).is_some(), "TCP");
    let port = udp.local_addr().unwrap().port();
    assert!(returned::<Option<i32>>(call(&worker, trespass::send, (port,)).await).is_some(), "UDP");
    assert!(returned::<Option<i32>>(call(&worker, trespass::connect_abstract, (name,)).await).is_some(), "abstract");
    let pair: Option<i32> = returned(call(&worker, trespass::make_datagram_sockets, ()).await);
    assert_eq!(pair, Some(libc::EPERM));
    let scratch = Scratch::new();
    let path = scratch.file("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    assert_eq!(returned::<Option<i32>>(call(&worker, trespass::connect_by_path, (path,)).await), Some(libc::EPERM));
    done(worker).await;
}

async fn strangers_reach_no_other_process() {
    needs("landlock");
    let worker = stranger();
    value(call(&worker, behave::nothing, ()).await);
    let guard = descendants(getpid())[0];
    for pid in [getpid(), guard] {
        let pid = pid.as_raw_nonzero().get();
        assert!(returned::<Option<i32>>(call(&worker, trespass::signal, (pid,)).await).is_some(), "it signals {pid}");
        assert!(returned::<Option<i32>>(call(&worker, trespass::trace, (pid,)).await).is_some(), "it traces {pid}");
        let lowered: Option<i32> = returned(call(&worker, trespass::lower_limits, (pid,)).await);
        assert_eq!(lowered, Some(libc::EPERM), "it lowers the limits of {pid}");
    }
    done(worker).await;
}

async fn strangers_gain_nothing() {
    needs("seccomp");
    let worker = stranger();
    let [user, capabilities, no_new_privileges, filtered]: [String; 4] =
        returned(call(&worker, trespass::status, ()).await);
    assert_ne!(user, "0");
    assert_eq!(u64::from_str_radix(&capabilities, 16), Ok(0));
    assert_eq!((no_new_privileges.as_str(), filtered.as_str()), ("1", "2"));
    let forbidden = [
        call(&worker, trespass::make_a_namespace, ()),
        call(&worker, trespass::set_up_a_ring, ()),
        call(&worker, trespass::load_a_program, ()),
        call(&worker, trespass::set_the_clock, ()),
        call(&worker, trespass::raise_a_limit, ()),
    ];
    let second: Option<i32> = returned(call(&worker, trespass::use_a_second_number, ()).await);
    assert_eq!(second, Some(libc::ENOSYS));
    for one in forbidden {
        assert_eq!(returned::<Option<i32>>(one.await), Some(libc::EPERM));
    }
    done(worker).await;
}

async fn strangers_fork_a_few_times_and_leave_nothing() {
    needs("user-namespaces");
    let worker = stranger();
    let forked: u32 = returned(within("the end of it", call(&worker, trespass::fork_as_often_as_possible, ())).await);
    let limit = untrusted().sandbox.processes.unwrap();
    assert!(forked > 0 && u64::from(forked) <= limit, "{forked} times");
    // Another worker of the same user has a count of its own.
    let other = stranger();
    assert!(returned::<u32>(call(&other, trespass::fork_as_often_as_possible, ()).await) > 0);
    done(worker).await;
    done(other).await;
    until("nothing is left", || descendants(getpid()).is_empty()).await;
}

/// Sampling does not see it.
async fn memory_that_no_process_has_counts() {
    needs("cgroups");
    let mut profile = Profile::trusted();
    profile.sandbox.control_groups = true;
    profile.limits.memory = Some(ByteSize::mib(64));
    let worker = start(Spec::functions("hoarder").profile(profile));
    let small: u64 = returned(call(&worker, misbehave::fill_a_nameless_file, (16_u64 << 20,)).await);
    assert_eq!(small, 16 << 20);
    let report = lost(within("its end", call(&worker, misbehave::fill_a_nameless_file, (256_u64 << 20,))).await);
    let Cause::MemoryLimit { limit, seen, by: Enforcer::Kernel } = report.cause else { panic!("{report:?}") };
    assert_eq!(limit, ByteSize::mib(64));
    assert!(seen <= limit && seen > ByteSize::mib(60), "{seen:?}");
    done(worker).await;
}

async fn memory_of_all_processes_counts_together() {
    needs("cgroups");
    let mut profile = Profile::trusted();
    profile.sandbox.control_groups = true;
    profile.limits.memory = Some(ByteSize::mib(64));
    let worker = start(Spec::functions("hoarders").profile(profile));
    let together = call(&worker, misbehave::share_memory_among_children, (8, 16_u64 << 20));
    let report = lost(within("its end", together).await);
    assert!(matches!(report.cause, Cause::MemoryLimit { .. }), "{report:?}");
    done(worker).await;
    until("nothing is left", || descendants(getpid()).is_empty()).await;
}

async fn control_groups_are_removed() {
    needs("cgroups");
    let mut profile = Profile::trusted();
    profile.sandbox.control_groups = true;
    profile.limits.memory = Some(ByteSize::mib(64));
    profile.restart.intensity = u32::MAX;
    let worker = start(Spec::functions("host of groups").profile(profile));
    value(call(&worker, behave::nothing, ()).await);
    assert!(!own_groups().is_empty());
    lost(call(&worker, misbehave::segfault, ()).await);
    lost(call(&worker, misbehave::kill_its_guard, ()).await);
    value(call(&worker, behave::nothing, ()).await);
    done(worker).await;
    until("the groups are gone", || own_groups().is_empty()).await;
}

async fn processor_time_is_held_to_a_quota() {
    needs("cgroups");
    let mut profile = Profile::trusted();
    profile.sandbox.cpu_quota = Some(20);
    let worker = start(Spec::functions("slow").profile(profile));
    value(call(&worker, behave::nothing, ()).await);
    if !own_groups().iter().any(|group| group.join("cpu.max").exists() || group.join("cpu.cfs_quota_us").exists()) {
        skip("this user can make no group that limits processor time");
    }
    let began = std::time::Instant::now();
    let spent: u64 = returned(call(&worker, trespass::spend_processor_time, (100_u64,)).await);
    let took = began.elapsed();
    assert!(spent >= 100 && took.as_millis() >= 300, "{spent} ms of a fifth of a core took {took:?}");
    done(worker).await;
}

/// Directories of control groups that this process has made.
pub(crate) fn own_groups() -> Vec<PathBuf> {
    let name = format!("oast-{}-", getpid().as_raw_nonzero());
    let mut below = vec![PathBuf::from("/sys/fs/cgroup")];
    let mut found = Vec::new();
    while let Some(directory) = below.pop() {
        let directories = fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in directories.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if entry.file_name().to_string_lossy().starts_with(&name) {
                found.push(entry.path());
            }
            below.push(entry.path());
        }
    }
    found
}

async fn what_everybody_needs_is_there() {
    let worker = stranger();
    assert_eq!(returned::<Option<i32>>(call(&worker, trespass::read, ("/usr/bin/env".to_owned(),)).await), None);
    assert_eq!(returned::<Option<i32>>(call(&worker, trespass::write, ("/dev/null".to_owned(),)).await), None);
    assert_eq!(returned::<i64>(call(&worker, behave::add, (1, 1)).await), 2);
    // Names of programs are links to links.
    let linked = |path: &&&str| fs::read_link(path).is_ok_and(|link| link.starts_with("/etc/alternatives"));
    for path in ["/usr/bin/awk", "/usr/bin/pager", "/usr/bin/cc"].iter().filter(linked) {
        assert_eq!(returned::<Option<i32>>(call(&worker, trespass::read, ((*path).to_owned(),)).await), None, "{path}");
    }
    done(worker).await;
    let worker = javascript(untrusted());
    assert_eq!(value(worker.eval("await new Promise(r => setTimeout(() => r(6 * 7), 1))").await), Value::Int(42));
    done(worker).await;
}

async fn a_directory_that_nobody_named_is_not_readable() {
    needs("landlock");
    let scratch = Scratch::new();
    fs::write(scratch.file("seven.js"), "export const seven = 7").unwrap();
    // Where this host happens to be.
    std::env::set_current_dir(scratch.directory()).unwrap();
    let worker = stranger();
    assert!(returned::<Option<i32>>(call(&worker, trespass::read, ("seven.js".to_owned(),)).await).is_some());
    done(worker).await;
}

async fn worker_processes_go_before_their_host_where_a_machine_is_out_of_memory() {
    let worker = start(Spec::functions("volunteer").profile(Profile::trusted()));
    value(call(&worker, behave::nothing, ()).await);
    let file = format!("/proc/{}/oom_score_adj", status(&worker).await.pid);
    until("it has volunteered", || fs::read_to_string(&file).is_ok_and(|score| score.trim() == "1000")).await;
    done(worker).await;
}

async fn each_wall_stands_alone() {
    let open = Profile::trusted;
    let mut profiles = [open(), open(), open(), open()];
    profiles[0].sandbox.privileges = Privileges::Dropped;
    profiles[1].sandbox.files = Files::ReadOnly;
    profiles[2].sandbox.network = Network::None;
    profiles[3].sandbox.system_calls = SystemCalls::Filtered;
    for profile in profiles {
        let worker = start(Spec::functions("half a stranger").profile(profile));
        assert_eq!(returned::<i64>(call(&worker, behave::add, (1, 1)).await), 2);
        done(worker).await;
    }
}

async fn modules_beside_a_program_are_found() {
    let scratch = Scratch::new();
    fs::write(scratch.file("seven.js"), "export const seven = 7").unwrap();
    let spec = Spec::javascript("stranger").profile(untrusted()).directory(scratch.directory());
    let worker = start(spec);
    assert_eq!(value(worker.eval("(await import('./seven.js')).seven").await), Value::Int(7));
    done(worker).await;
}

async fn what_a_profile_requires_is_there_or_the_worker_is_refused() {
    let report = doctor::report(&Config::default());
    let mut profile = untrusted();
    profile.sandbox.require = Mechanism::ALL.to_vec();
    profile.restart.intensity = 0;
    let missing: Vec<_> = report.mechanisms.iter().filter(|it| !it.is_available).collect();
    let worker = start(Spec::functions("stranger").profile(profile));
    let ended = within("an answer", call(&worker, behave::add, (1, 1))).await;
    match missing.first() {
        None => assert_eq!(returned::<i64>(ended), 2),
        Some(mechanism) => assert!(format!("{:?}", refusal(ended)).contains(mechanism.name)),
    }
    done(worker).await;
}

async fn whoever_is_trusted_is_not_confined() {
    let scratch = Scratch::new();
    let worker = start(Spec::functions("friend").profile(Profile::trusted()));
    assert_eq!(returned::<Option<i32>>(call(&worker, trespass::write, (scratch.file("new"),)).await), None);
    let [user, ..]: [String; 4] = returned(call(&worker, trespass::status, ()).await);
    assert_eq!(user, geteuid().as_raw().to_string());
    done(worker).await;
}
