//! What two other crates need for what Oast does. Says the figures of the one that is asked for as JSON.

use std::{
    collections::VecDeque,
    process::Command,
    time::{Duration, Instant},
};

use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender, IpcSharedMemory};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

const BULK: usize = 50_000_000;
const STARTS: usize = 15;
const CALLS: usize = 3000;
const MANY: usize = 50_000;
const BULKS: usize = 5;
const WINDOW: usize = 64;

/// One that does something of the kind.
trait Peer: Sized {
    type Pending;

    fn start() -> Self;
    fn begin(&mut self) -> Self::Pending;
    fn end(&mut self, pending: Self::Pending);
    fn bulk(&mut self) -> usize;

    fn call(&mut self) {
        let pending = self.begin();
        self.end(pending);
    }
}

fn main() {
    procspawn::init();
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("procspawn") => measure::<Pool>(),
        Some("ipc-channel") => measure::<Channel>(),
        Some("serve") => serve(&arguments.next().expect("the host has a name")),
        other => panic!("there is no peer {other:?}"),
    }
}

fn measure<P: Peer>() {
    let start = median(STARTS, || P::start().call());
    let mut peer = P::start();
    peer.call();
    let call = median(CALLS, || peer.call());
    let began = Instant::now();
    let mut under_way = VecDeque::new();
    for _ in 0..MANY {
        if under_way.len() == WINDOW
            && let Some(oldest) = under_way.pop_front()
        {
            peer.end(oldest);
        }
        under_way.push_back(peer.begin());
    }
    under_way.into_iter().for_each(|pending| peer.end(pending));
    let per_second = MANY as f64 / began.elapsed().as_secs_f64();
    let bulk = median(BULKS, || assert_eq!(peer.bulk(), BULK));
    println!(r#"{{"start": {start}, "call": {call}, "per_second": {per_second}, "bulk": {bulk}}}"#);
}

fn median(times: usize, mut act: impl FnMut()) -> f64 {
    let mut took: Vec<Duration> = std::iter::repeat_with(|| {
        let began = Instant::now();
        act();
        began.elapsed()
    })
    .take(times)
    .collect();
    took.sort_unstable();
    took[times / 2].as_secs_f64()
}

/// procspawn, with a pool of one process.
struct Pool(procspawn::Pool);

impl Peer for Pool {
    type Pending = procspawn::JoinHandle<i64>;

    fn start() -> Self {
        Self(procspawn::Pool::new(1).expect("a pool can be made"))
    }

    fn begin(&mut self) -> Self::Pending {
        self.0.spawn((1, 1), |(a, b): (i64, i64)| a + b)
    }

    fn end(&mut self, pending: Self::Pending) {
        assert_eq!(pending.join().expect("it answers"), 2);
    }

    fn bulk(&mut self) -> usize {
        let bulk = self.0.spawn((), |()| ByteBuf::from(vec![7; BULK]));
        bulk.join().expect("it answers").len()
    }
}

/// ipc-channel, with a process of its own at the other end.
struct Channel {
    requests: IpcSender<Request>,
    answers: IpcReceiver<Answer>,
}

#[derive(Serialize, Deserialize)]
enum Request {
    Add(i64, i64),
    Bulk,
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Sum(i64),
    Bulk(IpcSharedMemory),
}

type Ends = (IpcSender<Request>, IpcReceiver<Answer>);

impl Peer for Channel {
    type Pending = ();

    fn start() -> Self {
        let (server, name) = IpcOneShotServer::<Ends>::new().expect("a server can be made");
        let program = std::env::current_exe().expect("a program knows its own file");
        Command::new(program).args(["serve", &name]).spawn().expect("a process can be started");
        let (_, (requests, answers)) = server.accept().expect("the process connects");
        Self { requests, answers }
    }

    fn begin(&mut self) {
        self.requests.send(Request::Add(1, 1)).expect("it takes a request");
    }

    fn end(&mut self, (): ()) {
        assert!(matches!(self.answers.recv().expect("it answers"), Answer::Sum(2)));
    }

    fn bulk(&mut self) -> usize {
        self.requests.send(Request::Bulk).expect("it takes a request");
        match self.answers.recv().expect("it answers") {
            Answer::Bulk(bytes) => bytes.len(),
            Answer::Sum(_) => 0,
        }
    }
}

/// The other end, until the host is gone.
fn serve(name: &str) {
    let (requests, received) = ipc::channel::<Request>().expect("a channel can be made");
    let (answers, answered) = ipc::channel::<Answer>().expect("a channel can be made");
    let host: IpcSender<Ends> = IpcSender::connect(name.to_owned()).expect("the host waits");
    host.send((requests, answered)).expect("the host waits");
    let bulk = vec![7; BULK];
    while let Ok(request) = received.recv() {
        let answer = match request {
            Request::Add(a, b) => Answer::Sum(a + b),
            Request::Bulk => Answer::Bulk(IpcSharedMemory::from_bytes(&bulk)),
        };
        answers.send(answer).expect("the host listens");
    }
}
