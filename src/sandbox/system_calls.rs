//! Which system calls a process may make (`seccomp(2)`): all but those below, each with its reason. What is forbidden fails
//! with `EPERM`, so that programs which only try go on.

use std::collections::BTreeMap;

use oast_config::{Network, SystemCalls};
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare, SeccompCondition as Condition,
    SeccompFilter, SeccompRule as Rule, sock_filter,
};

use super::plan::{Failed, Taken};

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
    (libc::SYS_io_uring_setup, "makes system calls that no filter sees"),
    (libc::SYS_io_uring_enter, "makes system calls that no filter sees"),
    (libc::SYS_io_uring_register, "makes system calls that no filter sees"),
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

/// Filters the system calls of this process for good.
pub(super) fn filter(system_calls: SystemCalls, network: Network) -> Result<Taken, Failed> {
    let rules = rules(system_calls, network).map_err(malformed)?;
    if rules.is_empty() {
        return Ok(Taken::Yes);
    }
    forbid_second_numbers()?;
    let forbid = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    if let not_here @ Taken::NotHere(_) = install(rules, forbid)? {
        return Ok(not_here);
    }
    if system_calls == SystemCalls::Filtered {
        // Its flags lie in memory, where no filter sees them. Without it, the C library uses `clone`.
        let hidden = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        install(hidden, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()))?;
    }
    Ok(Taken::Yes)
}

/// On x86-64 a kernel may know each call by a second number, with this bit (the ABI called x32). The rules do not.
#[cfg(target_arch = "x86_64")]
const SECOND_NUMBERS: u32 = 0x4000_0000;

#[cfg(target_arch = "x86_64")]
fn forbid_second_numbers() -> Result<(), Failed> {
    let code = |code: u32| u16::try_from(code).unwrap_or_default();
    let step = |what, jt, jf, k| sock_filter { code: code(what), jt, jf, k };
    let program = [
        // The number is the first thing that a filter finds.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, SECOND_NUMBERS),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    apply(&program).map(drop)
}

#[cfg(not(target_arch = "x86_64"))]
const fn forbid_second_numbers() -> Result<(), Failed> {
    Ok(())
}

type Rules = BTreeMap<i64, Vec<Rule>>;

fn rules(system_calls: SystemCalls, network: Network) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    if system_calls == SystemCalls::Filtered {
        rules.extend(FORBIDDEN.iter().map(|(number, _why)| (*number, Vec::new())));
        let new_namespace = NAMESPACES.map(|flag| {
            let flag = u64::from(flag.unsigned_abs());
            Rule::new(vec![Condition::new(0, Width::Qword, Compare::MaskedEq(flag), flag)?])
        });
        rules.insert(libc::SYS_clone, new_namespace.into_iter().collect::<Result<_, _>>()?);
        // Types into the terminal of whoever started this.
        let types = Condition::new(1, Width::Dword, Compare::Eq, libc::TIOCSTI)?;
        rules.insert(libc::SYS_ioctl, vec![Rule::new(vec![types])?]);
    }
    if network == Network::None {
        // Of every family. Where there are no namespaces, Landlock lets UDP through; and a socket in the file system leads
        // to services of this user that start programs, which neither of them prevents. Pairs are another call.
        rules.insert(libc::SYS_socket, Vec::new());
    }
    Ok(rules)
}

fn install(rules: Rules, action: SeccompAction) -> Result<Taken, Failed> {
    let architecture = std::env::consts::ARCH.try_into().map_err(malformed)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture).map_err(malformed)?;
    let program: BpfProgram = filter.try_into().map_err(malformed)?;
    apply(&program)
}

fn apply(program: &[sock_filter]) -> Result<Taken, Failed> {
    match seccompiler::apply_filter(program) {
        Ok(()) => Ok(Taken::Yes),
        Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error)) => {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            let is_here = !matches!(errno, Errno::NOSYS | Errno::INVAL);
            if is_here { Err(Failed { step: "filter system calls", errno }) } else { Ok(Taken::NotHere(errno)) }
        }
        Err(_) => Err(Failed { step: "filter system calls", errno: Errno::INVAL }),
    }
}

/// The rules are constants: they are well-formed on every machine or on none, except that a machine may be unknown.
fn malformed(_: seccompiler::BackendError) -> Failed {
    Failed { step: "filter system calls", errno: Errno::INVAL }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_make_a_program() {
        for (system_calls, network) in [
            (SystemCalls::Filtered, Network::None),
            (SystemCalls::Filtered, Network::Host),
            (SystemCalls::All, Network::None),
        ] {
            let rules = rules(system_calls, network).unwrap();
            let architecture = std::env::consts::ARCH.try_into().unwrap();
            let forbid = SeccompAction::Errno(libc::EPERM.unsigned_abs());
            let filter = SeccompFilter::new(rules, SeccompAction::Allow, forbid, architecture).unwrap();
            assert!(BpfProgram::try_from(filter).is_ok_and(|program| program.len() > 4));
        }
        assert!(rules(SystemCalls::All, Network::Host).unwrap().is_empty());
    }

    #[test]
    fn every_rule_says_why_and_stands_once() {
        let mut numbers: Vec<_> = FORBIDDEN.iter().map(|(number, _)| number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), FORBIDDEN.len());
        assert!(FORBIDDEN.iter().all(|(_, why)| !why.is_empty()));
    }
}
