//! Forty strangers at once, of four kinds: one that multiplies, one that takes memory, one that fills the disk and one that
//! wants the network. Meanwhile honest work goes on as if nothing were.

use std::{
    cell::Cell,
    fs,
    io::Read,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use libtest_mimic::Trial;
use oast::{
    Clock::Wall,
    EvalError, EvalOptions, NotStarted, Oast, Request, Spec, Value,
    config::{Config, Profile},
};

use super::{
    START,
    play::needs,
    program::{Source, run, source},
    surroundings::Surroundings,
    time::COUNTS_PROCESSES,
    told::{
        NO_ROOM, Told,
        Told::{MemoryLimit, OneOf, Raised, Stopped, TimeLimit},
    },
    untrusted, wall_time,
};
use crate::{
    conventions::program,
    fixtures::behave,
    harness::promise_within,
    stage::{call, done, functions, javascript, pause, returned, stateless, value, within},
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        promise_within(DEADLINE, "hostile::forty_strangers_in_a_pool_leave_honest_work_alone", in_a_pool),
        promise_within(DEADLINE, "hostile::forty_strangers_at_the_command_line_leave_honest_work_alone", at_a_shell),
    ]
}

/// How long it may take on a machine that does other things; alone, it takes some seconds.
const DEADLINE: Duration = Duration::from_secs(80);

const CROWD: usize = 40;

/// What one kind of stranger runs, and what becomes of it.
const STRANGERS: [(Source, Told); 4] = [
    (source!("fork_bomb.c"), OneOf(&[TimeLimit(Wall), MemoryLimit, Raised("signal 9")])),
    (source!("small_blocks.c"), OneOf(&[MemoryLimit, Stopped(&[libc::ENOMEM]), TimeLimit(Wall), Raised("signal 9")])),
    (source!("fill_disk.c"), OneOf(&[NO_ROOM, MemoryLimit, TimeLimit(Wall)])),
    (source!("network.c"), OneOf(&[Stopped(&[libc::EPERM]), TimeLimit(Wall)])),
];

/// Sums that are worked out by a neighbour of each kind, one after another, until it is enough.
struct HonestWork {
    enough: Rc<Cell<bool>>,
    worked: actix_rt::task::JoinHandle<u32>,
}

impl HonestWork {
    async fn begin() -> Self {
        let (script, sums) = (javascript(stateless()), functions(stateless()));
        value(script.eval("1").await);
        value(call(&sums, behave::nothing, ()).await);
        let enough = Rc::new(Cell::new(false));
        let is_enough = enough.clone();
        let worked = actix_rt::spawn(async move {
            let mut count = 0;
            while !is_enough.get() {
                count += 1;
                let scripted = within("honest work", script.eval(format!("{count} + 1"))).await;
                assert_eq!(value(scripted), Value::Int(i64::from(count) + 1));
                let summed = within("honest work", call(&sums, behave::add, (i64::from(count), 1))).await;
                assert_eq!(returned::<i64>(summed), i64::from(count) + 1);
                pause(1).await;
            }
            for worker in [script, sums] {
                assert_eq!(crate::stage::status(&worker).await.epoch, 1, "honest work cost a process");
                done(worker).await;
            }
            count
        });
        Self { enough, worked }
    }

    /// How many sums there were.
    async fn end(self) -> u32 {
        self.enough.set(true);
        within("the end of honest work", self.worked).await.unwrap()
    }
}

async fn in_a_pool() {
    needs(COUNTS_PROCESSES);
    needs(&["seccomp"]);
    let around = Rc::new(Surroundings::new(std::process::id()));
    let profile = || {
        let mut profile = untrusted();
        wall_time(&mut profile);
        profile
    };
    let requests: Vec<Request> =
        STRANGERS.iter().map(|(source, _)| run(&source.compiled(around.directory()), Vec::new(), &around)).collect();
    let before = around.look();
    let oast = Oast::start(Config::default()).unwrap();
    let spec = Spec::functions("strangers").profile(profile()).directory(around.directory());
    oast.pool_of(spec, 2, CROWD).await.unwrap();
    let honest = HonestWork::begin().await;
    for (request, (_, told)) in requests.iter().zip(&STRANGERS) {
        visit(oast.clone(), request.clone(), told, profile()).await;
    }
    let crowd = (0..CROWD).map(|number| {
        let (request, told) = (requests[number % 4].clone(), &STRANGERS[number % 4].1);
        actix_rt::spawn(visit(oast.clone(), request, told, profile()))
    });
    for one in crowd.collect::<Vec<_>>() {
        within("the end of the crowd", one).await.unwrap();
    }
    assert!(honest.end().await > 10);
    oast.shutdown().await;
    around.assert_unreached();
    around.wait_for_nothing_new(&before).await;
}

/// One stranger: a lease, what it does, and the truth about it.
async fn visit(oast: Oast, request: Request, told: &'static Told, profile: Profile) {
    let ended = loop {
        let lease = oast.lease("strangers").await.unwrap();
        let ended = within("its end", lease.submit(request.clone(), EvalOptions::default())).await;
        // Its time was over before its process came to it, and it is safe to try again.
        if !matches!(ended, Err(EvalError::NotStarted(NotStarted::Deadline { .. }))) {
            break ended;
        }
    };
    assert!(told.is(&ended, &profile), "it is told as {ended:?}, and not as {told:?}");
}

/// A script, the exit codes that tell the truth about it, and what is said of it.
type Script = (&'static str, &'static str, &'static [(i32, &'static str)]);

const SCRIPTS: [Script; 4] = [
    (
        "multiplies.js",
        "const go = () => { setTimeout(go); setTimeout(go); Promise.resolve().then(() => {}) }; go(); for (;;) await 0",
        &[(11, "time limit")],
    ),
    (
        "takes_memory.js",
        "const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1))",
        &[(1, "out of memory"), (10, "memory")],
    ),
    ("fills.js", "for (;;) console.log('y'.repeat(10_000))", &[(11, "time limit")]),
    ("connects.js", "await fetch('http://127.0.0.1:1/')", &[(1, "fetch")]),
];

async fn at_a_shell() {
    let around = Surroundings::new(std::process::id());
    for (name, text, _) in SCRIPTS {
        fs::write(around.file(name), text).unwrap();
    }
    let before = around.look();
    let honest = HonestWork::begin().await;
    for script in &SCRIPTS {
        check(script, Stranger::start(&around, script)).await;
    }
    let crowd: Vec<_> = (0..CROWD).map(|number| Stranger::start(&around, &SCRIPTS[number % 4])).collect();
    for (number, stranger) in crowd.into_iter().enumerate() {
        check(&SCRIPTS[number % 4], stranger).await;
    }
    assert!(honest.end().await > 10);
    around.wait_for_nothing_new(&before).await;
}

/// A program with a script, whose output is thrown away, and whose words are kept.
struct Stranger {
    child: Child,
    words: std::thread::JoinHandle<String>,
}

impl Stranger {
    #[expect(clippy::disallowed_methods, reason = "the command line is no worker process")]
    fn start(around: &Surroundings, (name, ..): &Script) -> Self {
        let mut command = Command::new(program());
        let start = format!("profiles.untrusted.limits.start_time={START:?}");
        command.args(["run", "--profile", "untrusted", "--set", &start, "--memory", "48MiB", "--time", "400ms"]);
        command.arg(around.file(name));
        command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let words = std::thread::spawn(move || {
            let mut words = String::new();
            stderr.read_to_string(&mut words).unwrap();
            words
        });
        Self { child, words }
    }

    /// Its exit code, and what it said.
    async fn end(mut self) -> (i32, String) {
        let by = Instant::now() + START;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(Instant::now() < by, "it does not end"),
            }
            actix_rt::time::sleep(Duration::from_millis(2)).await;
        };
        (status.code().unwrap(), self.words.join().unwrap())
    }
}

async fn check((name, _, told): &Script, stranger: Stranger) {
    let (code, words) = stranger.end().await;
    // In a crowd, time may be over first; even before the process comes to it, which is told as that.
    let told = || told.iter().chain([&(11, "time limit"), &(13, "waited longer")]);
    let is_told = told().any(|(expected, text)| *expected == code && words.contains(text));
    assert!(is_told, "{name} ended with {code}, which is not one of {:?}: {words}", told().collect::<Vec<_>>());
}
