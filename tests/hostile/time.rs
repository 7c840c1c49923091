//! Programs that want more time than they may have, or the time of others.

use oast::Clock::{Cpu, Wall};

use super::{
    Row, cpu_time, not_played,
    program::{
        Program::{C, Function, JavaScript},
        request, source,
    },
    row,
    told::Told::{Interrupted, Stopped, TimeLimit},
    wall_time,
};
use crate::fixtures::misbehave;

/// Either holds whatever a worker starts to a number of processes.
pub(super) const COUNTS_PROCESSES: &[&str] = &["cgroups", "user-namespaces"];

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(15, "computes for ever", C(source!("spin.c")), TimeLimit(Cpu)).under(cpu_time),
        row(15, "computes for ever in javascript", JavaScript("for (;;);"), Interrupted(Cpu)).under(cpu_time),
        row(16, "computes for ever in a chain of processes", C(source!("relay.c")), TimeLimit(Cpu))
            .under(cpu_time)
            .needs(COUNTS_PROCESSES),
        // Without groups, such times are in nobody's account, and wall time is what ends it.
        row(16, "computes in children that nobody waits for", C(source!("unawaited.c")), TimeLimit(Cpu))
            .under(cpu_time)
            .needs(&["cgroups"]),
        row(17, "sleeps for ever", C(source!("sleep.c")), TimeLimit(Wall)).under(wall_time),
        row(17, "sleeps for ever in javascript", JavaScript("await new Promise(() => {})"), Interrupted(Wall))
            .under(wall_time),
        row(18, "stops itself", Function(|_| request(misbehave::stop_itself, ())), TimeLimit(Wall)).under(wall_time),
        row(19, "ignores all signals that it may", Function(|_| request(misbehave::spin_deaf, ())), TimeLimit(Wall))
            .under(wall_time),
        row(20, "blocks all signals and computes", C(source!("spin.c")), TimeLimit(Wall)).under(wall_time),
        row(21, "starts ten thousand threads", C(source!("threads.c")), Stopped(&[libc::EAGAIN]))
            .needs(COUNTS_PROCESSES),
        row(22, "wants the processor before others", C(source!("realtime.c")), Stopped(&[libc::EPERM])),
        row(22, "lets a thousand timers ring", C(source!("timers.c")), TimeLimit(Wall)).under(wall_time),
        not_played(
            23,
            "measures what others leave in caches",
            "no wall of one kernel keeps code from looking at a clock, and none is promised",
        ),
        row(24, "sets the clock", C(source!("clocks.c")), Stopped(&[libc::EPERM])),
        row(25, "waits where no signal reaches it", C(source!("stuck_parent.c")), TimeLimit(Wall)).under(wall_time),
    ]
}
