//! Measures processes, on one thread for the whole program: reading `/proc` takes tens of microseconds for each, which no
//! supervisor's thread should spend.

use std::{
    rc::Rc,
    sync::{
        OnceLock,
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use oast_actors::Event;
use oast_config::ByteSize;
use rustix::process::Pid;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::sync::oneshot;

use super::link::Link;
use crate::sandbox::descendants;

/// What a process and everything that it started uses.
struct Sample {
    memory: ByteSize,
    cpu: Duration,
}

type Order = (Pid, oneshot::Sender<Sample>);

/// Measures a worker process and says what it found.
pub(super) fn sample(link: Rc<Link>) {
    let pid = link.state.borrow().worker.as_ref().and_then(|worker| Pid::from_raw(worker.pid.cast_signed()));
    let Some(pid) = pid else { return };
    drop(actix_rt::spawn(async move {
        let (sender, measured) = oneshot::channel();
        // Without the thread, the program is ending.
        drop(orders().send((pid, sender)));
        if let Ok(Sample { memory, cpu }) = measured.await {
            link.events.send(Event::Sampled { memory, cpu });
        }
    }));
}

/// The thread is one for the whole program: it keeps what it read before, to read less.
fn orders() -> &'static Sender<Order> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    ORDERS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        // Without the thread, orders cannot be sent, and nothing is measured.
        drop(std::thread::Builder::new().name("oast-sampler".to_owned()).spawn(move || run(&receiver)));
        sender
    })
}

fn run(orders: &Receiver<Order>) {
    // Where there is no `/proc`, nothing is measured.
    let Ok(mut system) = System::new() else { return };
    for (root, reply) in orders {
        let mut pids = vec![root];
        pids.extend(descendants::of(root));
        let pids: Vec<sysinfo::Pid> =
            pids.iter().map(|pid| sysinfo::Pid::from_u32(pid.as_raw_nonzero().get().cast_unsigned())).collect();
        // The caller may be gone meanwhile.
        drop(reply.send(measure(&mut system, &pids)));
    }
}

fn measure(system: &mut System, pids: &[sysinfo::Pid]) -> Sample {
    let what = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(pids), true, what);
    let processes = pids.iter().filter_map(|pid| system.process(*pid));
    let (memory, cpu) = processes
        .fold((0, 0), |(memory, cpu), process| (memory + process.memory(), cpu + process.accumulated_cpu_time()));
    Sample { memory: ByteSize(memory), cpu: Duration::from_millis(cpu) }
}
