//! Which system calls a process may make (`seccomp(2)`): all but those below, each with its reason. What is forbidden fails
//! with `EPERM`, so that programs which only try go on.

use std::collections::BTreeMap;

use oast_config::{Files, Network, Privileges, SystemCalls};
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare, SeccompCondition as Condition,
    SeccompFilter, SeccompRule as Rule, sock_filter,
};

use super::{
    plan::{Failed, Plan},
    steps::{Argument, Part, Step, call},
};

/// A system call, and why code that nobody trusts does without it.
type Forbidden = (libc::c_long, &'static str);

/// Forbidden with whatever arguments.
const FORBIDDEN: &[Forbidden] = &[
    (libc::SYS_unshare, "a namespace of its own would give it capabilities in it"),
    (libc::SYS_setns, "a namespace of others is others'"),
    (libc::SYS_mount, "changes what is where"),
    (libc::SYS_umount2, "uncovers what is below"),
    (libc::SYS_move_mount, "changes what is where"),
    (libc::SYS_open_tree, "copies what is where"),
    (libc::SYS_mount_setattr, "makes writable what is not"),
    (libc::SYS_fsopen, "reaches the parsers of file systems"),
    (libc::SYS_fsconfig, "reaches the parsers of file systems"),
    (libc::SYS_fsmount, "reaches the parsers of file systems"),
    (libc::SYS_fspick, "changes the options of a file system"),
    (libc::SYS_pivot_root, "changes what is where"),
    (libc::SYS_chroot, "changes what is where"),
    (libc::SYS_ptrace, "looks into processes and drives them"),
    (libc::SYS_process_vm_readv, "looks into processes"),
    (libc::SYS_process_vm_writev, "writes into processes"),
    (libc::SYS_pidfd_getfd, "takes descriptors of other processes"),
    (libc::SYS_kcmp, "tells where the kernel keeps things"),
    (libc::SYS_bpf, "runs programs in the kernel"),
    (libc::SYS_perf_event_open, "watches the machine, and has been a way into the kernel"),
    (libc::SYS_userfaultfd, "stops the kernel in its midst, which makes races easy to win"),
    (libc::SYS_setpriority, "takes the processor from others"),
    (libc::SYS_ioprio_set, "takes the disk from others"),
    (libc::SYS_keyctl, "keys are the user's, and no namespace divides them"),
    (libc::SYS_add_key, "keys are the user's, and no namespace divides them"),
    (libc::SYS_request_key, "keys are the user's, and no namespace divides them"),
    (libc::SYS_open_by_handle_at, "opens files without a path"),
    (libc::SYS_fanotify_init, "watches all files"),
    (libc::SYS_kexec_load, "replaces the kernel"),
    (libc::SYS_kexec_file_load, "replaces the kernel"),
    (libc::SYS_init_module, "changes the kernel"),
    (libc::SYS_finit_module, "changes the kernel"),
    (libc::SYS_delete_module, "changes the kernel"),
    (libc::SYS_reboot, "is the machine's"),
    (libc::SYS_swapon, "is the machine's"),
    (libc::SYS_swapoff, "is the machine's"),
    (libc::SYS_acct, "is the machine's"),
    (libc::SYS_quotactl, "is the machine's"),
    (libc::SYS_syslog, "reads the kernel's log"),
    (libc::SYS_settimeofday, "clocks are the machine's"),
    (libc::SYS_clock_settime, "clocks are the machine's"),
    (libc::SYS_clock_adjtime, "clocks are the machine's"),
    (libc::SYS_adjtimex, "clocks are the machine's"),
    (libc::SYS_personality, "switches protections off"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_modify_ldt, "changes how addresses are found, for programs of another age"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_iopl, "reaches the hardware"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_ioperm, "reaches the hardware"),
];

/// Forbidden where the first argument names another process than the caller: equal users may do this to each other, and no
/// namespace or domain divides them.
const OF_OTHERS: &[Forbidden] = &[
    (libc::SYS_prlimit64, "a limit that was lowered ends a process"),
    (libc::SYS_sched_setscheduler, "takes the processor from others"),
    (libc::SYS_sched_setparam, "takes the processor from others"),
    (libc::SYS_sched_setattr, "takes the processor from others"),
    (libc::SYS_sched_setaffinity, "takes the processor from others"),
];

/// Forbidden where files are read only: Landlock withholds what is in a file, and not what is said about it.
const OF_FILES: &[Forbidden] = &[
    (libc::SYS_truncate, "older kernels do not count it as writing"),
    (libc::SYS_fchmod, "opens to others what is its user's"),
    (libc::SYS_fchmodat, "opens to others what is its user's"),
    (SYS_FCHMODAT2, "opens to others what is its user's"),
    (libc::SYS_fchown, "gives away what is its user's"),
    (libc::SYS_fchownat, "gives away what is its user's"),
    (libc::SYS_setxattr, "changes what is said about a file"),
    (libc::SYS_lsetxattr, "changes what is said about a file"),
    (libc::SYS_fsetxattr, "changes what is said about a file"),
    (libc::SYS_removexattr, "changes what is said about a file"),
    (libc::SYS_lremovexattr, "changes what is said about a file"),
    (libc::SYS_fremovexattr, "changes what is said about a file"),
    (SYS_SETXATTRAT, "changes what is said about a file"),
    (SYS_REMOVEXATTRAT, "changes what is said about a file"),
    (SYS_FILE_SETATTR, "changes what is said about a file"),
    (libc::SYS_utimensat, "changes what is said about a file"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, "opens to others what is its user's"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chown, "gives away what is its user's"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lchown, "gives away what is its user's"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_utime, "changes what is said about a file"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_utimes, "changes what is said about a file"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_futimesat, "changes what is said about a file"),
];

// Newer than the crate that has the others; the same on every machine.
const SYS_FCHMODAT2: libc::c_long = 452;
const SYS_SETXATTRAT: libc::c_long = 463;
const SYS_REMOVEXATTRAT: libc::c_long = 466;
const SYS_FILE_SETATTR: libc::c_long = 469;

/// What a filter would not see, where there is one.
const UNSEEN: &[Forbidden] = &[
    (libc::SYS_io_uring_setup, "makes system calls that no filter sees"),
    (libc::SYS_io_uring_enter, "makes system calls that no filter sees"),
    (libc::SYS_io_uring_register, "makes system calls that no filter sees"),
];

/// Namespaces that `clone` makes.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Filters the system calls of a process for good. It is one program: the kernel translates each, which takes longer than all
/// else that confines.
pub(super) fn filter(plan: &Plan) -> Result<Option<Step>, Failed> {
    let rules = rules(plan).map_err(malformed)?;
    if rules.is_empty() {
        return Ok(None);
    }
    let instruction = |step: &sock_filter| {
        let ([code, e], [k, l, m, n]) = (step.code.to_ne_bytes(), step.k.to_ne_bytes());
        [code, e, step.jt, step.jf, k, l, m, n]
    };
    let program = Argument::Program(program(plan, rules)?.iter().flat_map(instruction).collect());
    let filter = call!(SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, program);
    Ok(Some(Step::new("filter system calls", filter).needing(&[Part::SystemCalls])))
}

/// A kernel without filters says one of these.
pub(super) const UNKNOWN: &[Errno] = &[Errno::NOSYS, Errno::INVAL];

/// Calls that are forbidden whatever their arguments are found by their numbers, one comparison each. The rest is for the
/// crate's own program, which is entered with whatever was not found, and ends in permission.
fn program(plan: &Plan, rules: Rules) -> Result<BpfProgram, Failed> {
    let (always, sometimes): (Rules, Rules) = rules.into_iter().partition(|(_, rules)| rules.is_empty());
    // Its flags lie in memory, where no filter sees them. Without it, the C library uses `clone`.
    let hidden = (plan.system_calls == SystemCalls::Filtered).then_some(libc::SYS_clone3);
    let mut program = by_number(always.keys().copied(), hidden);
    if sometimes.is_empty() {
        program.push(step(libc::BPF_RET, 0, 0, libc::SECCOMP_RET_ALLOW));
        return Ok(program);
    }
    let architecture = std::env::consts::ARCH.try_into().map_err(malformed)?;
    let forbid = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(sometimes, SeccompAction::Allow, forbid, architecture).map_err(malformed)?;
    program.extend(BpfProgram::try_from(filter).map_err(malformed)?);
    Ok(program)
}

/// Whose numbers the rules have: on x86-64, programs of another age can make calls by others.
const ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };

/// On x86-64 a kernel may know each call by a second number, with this bit (the ABI called x32). The rules do not.
const SECOND_NUMBERS: u32 = 0x4000_0000;

/// Fails with `EPERM` for each of some numbers, and as if it were not there for what is hidden. Goes on behind its end with
/// whatever is none of them.
fn by_number(forbidden: impl ExactSizeIterator<Item = libc::c_long>, hidden: Option<libc::c_long>) -> BpfProgram {
    let load = |offset| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    // The number is the first thing that a filter finds, and by whose numbers it goes is the second.
    let mut program = vec![
        load(4),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, 0, ARCHITECTURE),
        step(libc::BPF_RET, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        load(0),
    ];
    // How many steps are left until the one that forbids. The one behind it says that there is no such call.
    let mut left = 1 + forbidden.len() + hidden.iter().len();
    let mut compare = |how, number: u32, beyond: usize| {
        // A jump of more than 255 steps cannot be written; there are a third as many numbers.
        program.push(step(
            libc::BPF_JMP | how | libc::BPF_K,
            u8::try_from(left + beyond).unwrap_or(u8::MAX),
            0,
            number,
        ));
        left -= 1;
    };
    compare(libc::BPF_JGE, SECOND_NUMBERS, 1);
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);
    hidden.into_iter().for_each(|call| compare(libc::BPF_JEQ, number(call), 1));
    forbidden.for_each(|call| compare(libc::BPF_JEQ, number(call), 0));
    let fail = |errno: i32| step(libc::BPF_RET, 0, 0, libc::SECCOMP_RET_ERRNO | errno.unsigned_abs());
    program.extend([step(libc::BPF_JMP | libc::BPF_JA, 0, 0, 2), fail(libc::EPERM), fail(libc::ENOSYS)]);
    program
}

fn step(what: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(what).unwrap_or_default(), jt, jf, k }
}

type Rules = BTreeMap<i64, Vec<Rule>>;

fn rules(plan: &Plan) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    let always =
        |forbidden: &[Forbidden]| Rules::from_iter(forbidden.iter().map(|(number, _why)| (*number, Vec::new())));
    if plan.system_calls == SystemCalls::Filtered {
        rules.extend(always(FORBIDDEN));
        for (number, _why) in OF_OTHERS {
            let another = Condition::new(0, Width::Dword, Compare::Ne, 0)?;
            rules.insert(*number, vec![Rule::new(vec![another])?]);
        }
        let new_namespace = NAMESPACES.map(|flag| {
            let flag = u64::from(flag.unsigned_abs());
            Rule::new(vec![Condition::new(0, Width::Qword, Compare::MaskedEq(flag), flag)?])
        });
        rules.insert(libc::SYS_clone, new_namespace.into_iter().collect::<Result<_, _>>()?);
        // Types into the terminal of whoever started this.
        let types = Condition::new(1, Width::Dword, Compare::Eq, libc::TIOCSTI)?;
        rules.insert(libc::SYS_ioctl, vec![Rule::new(vec![types])?]);
    }
    if plan.files == Files::ReadOnly {
        rules.extend(always(OF_FILES));
    }
    sockets(plan, &mut rules)?;
    if !rules.is_empty() {
        rules.extend(always(UNSEEN));
    }
    Ok(rules)
}

/// A socket in the file system leads to services of this user that start programs, which no namespace and no domain
/// prevents. Pairs remain: those that are streams are connected for good.
fn sockets(plan: &Plan, rules: &mut Rules) -> Result<(), seccompiler::BackendError> {
    let local = u64::from(libc::AF_UNIX.unsigned_abs());
    match (plan.network, plan.privileges) {
        // Of every family: where there are no namespaces, Landlock lets UDP through.
        (Network::None, _) => rules.insert(libc::SYS_socket, Vec::new()),
        (Network::Host, Privileges::Dropped) => {
            rules.insert(libc::SYS_socket, vec![Rule::new(vec![Condition::new(0, Width::Dword, Compare::Eq, local)?])?])
        }
        (Network::Host, Privileges::Kept) => return Ok(()),
    };
    let reconnectable = [libc::SOCK_DGRAM, libc::SOCK_RAW].map(|kind| {
        let kind = u64::from(kind.unsigned_abs());
        Rule::new(vec![Condition::new(1, Width::Dword, Compare::MaskedEq(0xf), kind)?])
    });
    let mut pairs: Vec<Rule> = reconnectable.into_iter().collect::<Result<_, _>>()?;
    // Other families have pairs that can be connected, and each that is asked for is loaded.
    pairs.push(Rule::new(vec![Condition::new(0, Width::Dword, Compare::Ne, local)?])?);
    rules.insert(libc::SYS_socketpair, pairs);
    Ok(())
}

/// The rules are constants: they are well-formed on every machine or on none, except that a machine may be unknown.
fn malformed(_: seccompiler::BackendError) -> Failed {
    Failed { step: "filter system calls", errno: Errno::INVAL }
}

#[cfg(test)]
mod tests {
    use oast_config::Profile;

    use super::*;

    #[test]
    fn the_rules_make_a_program() {
        let strange = Plan::of(&Profile::untrusted());
        let variants = [
            Plan { network: Network::Host, ..strange.clone() },
            Plan { system_calls: SystemCalls::All, ..strange.clone() },
            Plan { files: Files::All, privileges: Privileges::Kept, ..strange.clone() },
            strange,
        ];
        for plan in variants {
            let program = program(&plan, rules(&plan).unwrap()).unwrap();
            assert!(program.len() > 4 && program.len() < 400, "{}", program.len());
            let lost = |(at, step): (usize, &sock_filter)| at + usize::from(step.jt.max(step.jf)) + 1 >= program.len();
            let jumps = program.iter().enumerate().filter(|(_, step)| step.jt > 0 || step.jf > 0);
            assert!(!jumps.clone().any(lost) && jumps.clone().all(|(_, step)| step.jt < u8::MAX), "a jump is too far");
        }
        assert!(rules(&Plan::of(&Profile::trusted())).unwrap().is_empty());
    }

    #[test]
    fn calls_are_found_by_their_numbers() {
        let program = by_number([7, 9].into_iter(), Some(8));
        let refuse = |number: u32| {
            let (mut at, mut steps) = (4, 0);
            while let Some(found) = program.get(at) {
                let what = u32::from(found.code);
                let jumps = match what & 0xf0 {
                    libc::BPF_JEQ => number == found.k,
                    libc::BPF_JGE => number >= found.k,
                    _ if what == libc::BPF_RET => return Some(found.k & 0xffff),
                    _ => false,
                };
                let further = if what == libc::BPF_JMP | libc::BPF_JA { found.k as usize } else { 0 };
                at += 1 + further + if jumps { usize::from(found.jt) } else { 0 };
                steps += 1;
                assert!(steps < 100);
            }
            None
        };
        let (forbidden, absent) = (Some(libc::EPERM.unsigned_abs()), Some(libc::ENOSYS.unsigned_abs()));
        assert_eq!([6, 7, 8, 9, 10].map(refuse), [None, forbidden, absent, forbidden, None]);
        assert_eq!(refuse(SECOND_NUMBERS | 7), absent);
    }

    #[test]
    fn every_rule_says_why_and_stands_once() {
        let all = [FORBIDDEN, OF_OTHERS, OF_FILES, UNSEEN].concat();
        let numbers: std::collections::BTreeSet<_> = all.iter().map(|(number, _)| number).collect();
        assert_eq!(numbers.len(), all.len());
        assert!(all.iter().all(|(_, why)| !why.is_empty()));
    }
}
