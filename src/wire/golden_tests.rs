//! Holds every frame to the bytes under `tests/fixtures/wire/`. Run with `OAST_BLESS=1` to write them anew after a change
//! that is meant.

use std::{collections::BTreeMap, fmt::Write, fs, path::PathBuf, time::Duration};

use bytes::Bytes;
use oast_actors::{
    Array, BigInt, Call, Capabilities, ChannelMessage, Code, Element, EvalId, ExitStatus, Handle, Job, Raised, Reply,
    ReplyResult, Request, Stream, Usage, Value,
};
use oast_config::ByteSize;

use super::{
    BuildId, Confinement, Decoder, FromLauncher, FromWorker, Groups, Hello, JavaScript, Launch, Message, Outgoing,
    Replied, ResourceLimits, RuntimeSettings, TemplateSettings, ToLauncher, ToWorker,
    round_trip_tests::{decode_all, take},
};

const LIMIT: ByteSize = ByteSize::mib(1);

#[test]
fn every_frame_to_a_worker_has_its_golden_bytes() {
    let code =
        Code { source: "1 + 1".into(), name: "cell 1".into(), module: false, arguments: vec!["a".into(), "é".into()] };
    let call = Call {
        function: 0x1234,
        arguments: Bytes::from_static(b"\x01\x02"),
        attachments: vec![Bytes::from(vec![7; 600])],
    };
    check(&[
        ("evaluate_code", ToWorker::Evaluate(EvalId(1), request(Job::Code(code)))),
        ("evaluate_call", ToWorker::Evaluate(EvalId(2), request(Job::Call(call)))),
        ("interrupt", ToWorker::Interrupt(EvalId(3))),
        ("reset", ToWorker::Reset),
        ("channel_open", ToWorker::Channel("news".into(), ChannelMessage::Open { capacity: 8 })),
        ("channel_put", ToWorker::Channel("news".into(), ChannelMessage::Put(Value::Int(-1)))),
        ("channel_taken", ToWorker::Channel("news".into(), ChannelMessage::Taken(2))),
        ("shutdown", ToWorker::Shutdown),
    ]);
}

#[test]
fn every_frame_from_a_worker_has_its_golden_bytes() {
    let hello = Hello {
        runtime: "javascript".into(),
        capabilities: Capabilities {
            interleaves: true,
            interrupts: true,
            resets: true,
            evaluates: true,
            calls: false,
            ahead: 16,
        },
        build: BuildId([1, 2, 3, 4, 5]),
    };
    let printing = |id, stream| FromWorker::Printing { id, stream, from: 9 };
    check(&[
        ("hello", FromWorker::Hello(hello)),
        ("suspended", FromWorker::Suspended(EvalId(4))),
        ("replied_value", replied(ReplyResult::Value(every_value()), Some("text"))),
        ("replied_raised", replied(ReplyResult::Raised(raised()), None)),
        ("replied_interrupted", replied(ReplyResult::Interrupted, None)),
        ("replied_unsupported", replied(ReplyResult::Unsupported, None)),
        ("replied_withdrawn", replied(ReplyResult::Withdrawn, None)),
        ("printing", printing(Some(EvalId(6)), Stream::Stderr)),
        ("printing_nobody", printing(None, Stream::Stdout)),
        ("channel_close", FromWorker::Channel("news".into(), ChannelMessage::Close)),
        ("reset_done", FromWorker::ResetDone),
    ]);
}

#[test]
fn every_frame_of_a_launcher_has_its_golden_bytes() {
    let ended = |status| FromLauncher::Ended {
        status,
        peak_memory: ByteSize::mib(3),
        cpu: Duration::from_micros(1500),
        out_of_memory: 1,
    };
    let failed = FromLauncher::Failed { step: "exec".into(), errno: 2, text: "no such file".into() };
    check(&[
        ("born", FromLauncher::Born { pid: 77, init: 76 }),
        ("ended_code", ended(ExitStatus::Code(1))),
        ("ended_signal", ended(ExitStatus::Signal(9))),
        ("failed", failed),
        ("warm", FromLauncher::Warm),
        ("forked", FromLauncher::Forked { pid: 78 }),
        ("probed", FromLauncher::Probed { errno: 1 }),
    ]);
    let runtime = RuntimeSettings {
        name: "javascript".into(),
        build: BuildId([1, 2, 3, 4, 5]),
        javascript: JavaScript { memory: Some(1 << 28), stack: None, modules: true },
        command: vec!["python3".to_owned(), "{shim}".to_owned()],
        preload: vec!["numpy".to_owned()],
    };
    let groups = Groups {
        memory: Some("/sys/fs/cgroup/memory/oast-1-0".to_owned()),
        processes: None,
        processor: None,
        tree: Some("/sys/fs/cgroup/unified/oast-1-0".to_owned()),
        is_unified: false,
        is_lent: true,
    };
    let launch = Launch {
        worker: "js-1".into(),
        epoch: 1,
        runtime: runtime.clone(),
        message_limit: 64 << 20,
        low_latency: true,
        limits: ResourceLimits { open_files: Some(64), file_size: None, data: Some(1 << 30), core: 0, stack: 8 << 20 },
        groups: groups.clone(),
        confinement: Confinement {
            privileges: true,
            files: true,
            network: true,
            system_calls: true,
            directory: true,
            scratch: 1 << 24,
            processes: Some(32),
            require: vec!["landlock".to_owned()],
        },
    };
    let (limits, confinement) = (launch.limits.clone(), launch.confinement.clone());
    let settings = TemplateSettings { runtime, limits, confinement, groups };
    let launch = ToLauncher::Launch(Box::new(launch));
    check(&[
        ("launch", launch),
        ("warm_up", ToLauncher::WarmUp(Box::new(settings))),
        ("fork", ToLauncher::Fork),
        ("probe", ToLauncher::Probe),
        ("retire", ToLauncher::Retire),
    ]);
}

fn request(job: Job) -> Request {
    Request { job, fetch: true }
}

fn replied(result: ReplyResult, text: Option<&str>) -> FromWorker {
    let usage = Usage {
        wall: Duration::from_micros(12),
        cpu: Duration::from_micros(10),
        memory: text.map(|_| ByteSize::kib(1)),
    };
    let reply = Reply { result, text: text.map(str::to_owned), usage };
    let (stdout_end, stderr_end) = (100, 0);
    FromWorker::Replied(EvalId(5), Replied { reply, stdout_end, stderr_end })
}

fn raised() -> Raised {
    Raised { kind: "TypeError".into(), message: "x is not a function".into(), traceback: "at cell 1:1".into() }
}

fn every_value() -> Value {
    let handle = Handle { id: 1, kind: "function".into(), text: "f()".into() };
    let elements = [
        Element::I8,
        Element::U8,
        Element::U8Clamped,
        Element::I16,
        Element::U16,
        Element::I32,
        Element::U32,
        Element::I64,
        Element::U64,
        Element::F32,
        Element::F64,
    ];
    let array = |element| Value::Array(Array::new(element, Bytes::from_static(&[0, 1, 2, 3, 4, 5, 6, 7])).unwrap());
    Value::List(vec![
        Value::Null,
        Value::Bool(true),
        Value::Int(-2),
        Value::BigInt(BigInt::parse("-18446744073709551616").unwrap()),
        Value::Float(1.5),
        Value::Text("é".into()),
        Value::Bytes(Bytes::from_static(b"abc")),
        Value::Bytes(Bytes::from(vec![0xAB; 512])),
        Value::Map(vec![(Value::Text("k".into()), Value::Null)]),
        Value::List(elements.map(array).to_vec()),
        Value::Date(1e12),
        Value::Handle(handle),
    ])
}

fn check<M: Message + PartialEq + std::fmt::Debug>(messages: &[(&str, M)]) {
    let mut differ = BTreeMap::new();
    for (name, message) in messages {
        let mut outgoing = Outgoing::new(LIMIT);
        message.encode(&mut outgoing).unwrap();
        let bytes = take(&mut outgoing);
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/wire/{name}.hex"));
        if std::env::var_os("OAST_BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, hex(&bytes)).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        if golden != hex(&bytes) {
            differ.insert(name, hex(&bytes));
        }
        let decoded: Vec<M> = decode_all(&mut Decoder::new(LIMIT), &bytes);
        assert_eq!(decoded.as_slice(), std::slice::from_ref(message));
    }
    assert!(differ.is_empty(), "not as in tests/fixtures/wire: {differ:#?}");
}

/// The prefix on a line of its own, then sixteen bytes to a line.
fn hex(frame: &[u8]) -> String {
    let mut text = String::new();
    let (prefix, rest) = frame.split_at(super::PREFIX);
    for line in [prefix].into_iter().chain(rest.chunks(16)) {
        let line: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{}", line.join(" ")).unwrap();
    }
    text
}
