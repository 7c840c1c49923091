//! The thread that starts launchers and collects them when they have ended. It lives as long as the program, so no
//! worker process is lost because the thread that started it has ended, and it alone waits for `vfork`.

use std::{
    collections::HashMap,
    process::{Child, Command},
    sync::{
        OnceLock,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use tokio::sync::oneshot;

/// How long it takes to look again for the end of a launcher that is about to end.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What the thread is asked to do.
enum Order {
    Start(Box<Command>, oneshot::Sender<std::io::Result<Launcher>>),
    Collect(u32),
}

/// A launcher that was started. When this is dropped, it is about to end, and is collected: also when it is dropped on
/// its way to somebody who does not wait for it any more.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) pid: u32,
}

/// Starts a launcher. Blocks nobody: `vfork` stops the thread that calls it until the new program runs.
pub(super) async fn start(command: Command) -> std::io::Result<Launcher> {
    let (sender, started) = oneshot::channel();
    // Without the thread, the order is dropped, and its sender with it.
    drop(orders().send(Order::Start(Box::new(command), sender)));
    started.await.map_err(std::io::Error::other)?
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // Without the thread, the program is ending.
        drop(orders().send(Order::Collect(self.pid)));
    }
}

/// The thread is one for the whole program, as the children are.
fn orders() -> &'static Sender<Order> {
    static ORDERS: OnceLock<Sender<Order>> = OnceLock::new();
    ORDERS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel();
        let spawned = std::thread::Builder::new().name("oast-spawner".to_owned()).spawn(move || run(&receiver));
        // Without the thread, orders cannot be sent, and every start says so.
        drop(spawned);
        sender
    })
}

fn run(orders: &Receiver<Order>) {
    let mut children = HashMap::new();
    let mut ending = Vec::new();
    loop {
        let order = if ending.is_empty() {
            orders.recv().map_err(RecvTimeoutError::from)
        } else {
            orders.recv_timeout(LOOK_AGAIN)
        };
        match order {
            Ok(Order::Start(command, reply)) => drop(reply.send(spawn(*command, &mut children))),
            Ok(Order::Collect(pid)) => ending.extend(children.remove(&pid)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // An error says that it was collected already.
        ending.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where worker processes start")]
fn spawn(mut command: Command, children: &mut HashMap<u32, Child>) -> std::io::Result<Launcher> {
    let child = command.spawn()?;
    let pid = child.id();
    children.insert(pid, child);
    Ok(Launcher { pid })
}
