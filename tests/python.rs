//! The runtime `python`, beyond what every runtime keeps: it evaluates as a notebook cell is expected to.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use oast::{
    Cause, Element, EvalError, Evaluation, Interrupter, NotStarted, Stream, Value, Worker,
    config::{ByteSize, Profile},
};

use crate::{
    harness::skip,
    stage::{
        self, Scratch, cause, done, forked, kept, lost, outcome, pause, raised, refusal, start, status, value, within,
    },
    walls::needs,
};

pub(crate) fn tests() -> Vec<Trial> {
    promises!("python":
        the_last_expression_is_the_value,
        values_keep_what_they_are,
        arrays_travel_as_they_are,
        numpy_arrays_travel_as_they_are,
        what_cannot_be_carried_is_an_error,
        classes_are_of_main,
        tracebacks_show_the_cell_alone,
        an_exit_ends_the_evaluation_and_not_the_worker,
        a_program_that_exits_ends_its_process_with_its_code,
        a_thread_prints_for_the_evaluation_that_started_it,
        processes_that_it_forks_are_nobodys_workers,
        output_below_python_is_captured,
        a_blocking_call_is_interrupted,
        a_flood_of_prints_is_interrupted_between_two,
        an_interrupt_spares_what_waits_beside_it,
        a_segfault_ends_the_process_and_is_told,
        too_much_memory_is_told,
        strangers_are_confined,
        an_interpreter_that_is_not_there_is_named,
        a_program_has_its_arguments_and_waits_for_its_threads,
        forks_of_a_template_have_what_it_imported_and_nothing_else,
        forks_of_a_template_are_confined,
        a_template_that_cannot_be_made_costs_nothing_but_time,
        what_is_odd_costs_one_evaluation,
        an_interrupt_before_the_first_step_is_not_lost,
        nothing_beside_it_is_taken_for_a_library,
    )
}

fn python() -> Worker {
    start(stage::python("python").profile(kept()))
}

async fn float_of(worker: &Worker, source: &str) -> f64 {
    let Value::Float(found) = value(worker.eval(source).await) else { panic!("`{source}` is no float") };
    found
}

async fn printed(evaluation: Evaluation, stream: Stream) -> String {
    let outcome = outcome(within("its end", evaluation).await);
    let bytes =
        outcome.output.iter().filter(|printed| printed.stream == stream).flat_map(|printed| printed.bytes.to_vec());
    String::from_utf8(bytes.collect()).unwrap()
}

async fn the_last_expression_is_the_value() {
    let worker = python();
    for (source, text) in [
        ("x = 3\nx + 1", "4"),
        ("x = 5", ""),
        ("'ä' * 2", "'ää'"),
        ("if True:\n    7", ""),
        ("await_me = [i async for i in __import__('oast').channel('x')] if False else 'sync'\nawait_me", "'sync'"),
        ("_", "'sync'"),
        ("None", ""),
    ] {
        assert_eq!(outcome(worker.eval(source).await).text, text, "{source}");
    }
    done(worker).await;
}

async fn values_keep_what_they_are() {
    let worker = python();
    let text = |text: &str| Value::Text(text.to_owned());
    for (source, found) in [
        ("(True, None, -1, 'x')", Value::List(vec![true.into(), Value::Null, Value::Int(-1), text("x")])),
        ("2**63 - 1", Value::Int(i64::MAX)),
        ("b'\\0\\xff'", Value::Bytes(vec![0, 255].into())),
        ("bytearray(3)", Value::Bytes(vec![0; 3].into())),
        ("memoryview(b'abcd')[::2]", Value::Bytes(b"ac".to_vec().into())),
        (
            "{1: 'one', (2,): None}",
            Value::Map(vec![(1.into(), text("one")), (Value::List(vec![2.into()]), Value::Null)]),
        ),
        ("{7}", Value::List(vec![7.into()])),
        (
            "import datetime\ndatetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)",
            Value::Date(1_577_836_800_000.0),
        ),
    ] {
        assert_eq!(value(worker.eval(source).await), found, "{source}");
    }
    let Value::BigInt(large) = value(worker.eval("-7**6000").await) else { panic!("it is no large number") };
    assert_eq!(large.as_str().len(), 5072, "all digits travel");
    assert!(float_of(&worker, "float('nan')").await.is_nan());
    done(worker).await;
}

async fn arrays_travel_as_they_are() {
    let worker = python();
    let Value::Array(array) = value(worker.eval("import array\narray.array('d', [1.5, -2])").await) else {
        panic!("it is no array");
    };
    assert_eq!((array.element(), array.data().len()), (Element::F64, 16));
    let channel = worker.channel("arrays", 1).unwrap();
    channel.put(Value::Array(array)).await.unwrap();
    let sum = "import oast\nsum(oast.channel('arrays').take())";
    assert_eq!(float_of(&worker, sum).await, -0.5);
    drop(channel);
    done(worker).await;
}

async fn numpy_arrays_travel_as_they_are() {
    let worker = python();
    if outcome_of_import(&worker, "numpy").await.is_err() {
        done(worker).await;
        skip("this Python has no numpy; `pip install numpy`");
    }
    let Value::Array(array) = value(worker.eval("numpy.arange(1000, dtype='int32')[::2]").await) else {
        panic!("it is no array");
    };
    assert_eq!((array.element(), array.data().len()), (Element::I32, 2000));
    let Value::Map(matrix) = value(worker.eval("numpy.zeros((2, 3))").await) else { panic!("it is no map") };
    assert_eq!(matrix[0].1, Value::List(vec![2.into(), 3.into()]));
    assert_eq!(value(worker.eval("numpy.int64(3)").await), Value::Int(3));
    assert!(matches!(value(worker.eval("numpy.array(['a'], dtype=object)").await), Value::Handle(_)));
    done(worker).await;
}

async fn outcome_of_import(worker: &Worker, module: &str) -> Result<Value, oast::Raised> {
    outcome(worker.run(&*format!("import {module}")).await).result
}

async fn what_cannot_be_carried_is_an_error() {
    let worker = python();
    let error = raised(worker.eval("itself = []\nitself.append(itself)\nitself").await);
    assert!(error.message.contains("its own part"), "{error:?}");
    let error = raised(worker.eval("bytes(1 << 30)").await);
    assert!(error.message.contains("a message may have"), "{error:?}");
    let bad = "class Bad:\n  def __repr__(self): raise OSError('no')\nBad()";
    assert!(outcome(worker.eval(bad).await).text.contains("whose repr raises OSError"));
    assert_eq!(value(worker.eval("1").await), Value::Int(1));
    assert_eq!(status(&worker).await.epoch, 1);
    done(worker).await;
}

async fn classes_are_of_main() {
    let worker = python();
    let source = "import dataclasses, pickle\n@dataclasses.dataclass\nclass Point:\n  x: int\n\
                  pickle.loads(pickle.dumps(Point(3))).x, Point.__module__, __name__";
    let main = || Value::Text("__main__".to_owned());
    assert_eq!(value(worker.eval(source).await), Value::List(vec![3.into(), main(), main()]));
    done(worker).await;
}

async fn tracebacks_show_the_cell_alone() {
    let worker = python();
    let error = raised(worker.eval("def f(x):\n    return 1 / x\n\nf(0)").await);
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("ZeroDivisionError", "division by zero"));
    assert!(error.traceback.contains("return 1 / x") && error.traceback.contains("line 4"), "{}", error.traceback);
    // What marks the place, in a Python that does, stands below it.
    let mut lines = error.traceback.lines().skip_while(|line| !line.contains("return 1 / x"));
    let (line, marks) = (lines.next().unwrap(), lines.next().unwrap_or_default());
    assert!(!marks.contains('^') || marks.find('^') == line.find('/'), "{}", error.traceback);
    assert!(!error.traceback.contains("/proc/") && !error.traceback.contains("asyncio"), "{}", error.traceback);
    let error = raised(worker.eval("import asyncio\nawait asyncio.sleep(0)\nf(0)").await);
    assert!(error.traceback.contains("return 1 / x") && !error.traceback.contains("/proc/"), "{}", error.traceback);
    let error = raised(worker.eval("x = (").await);
    assert_eq!(error.kind, "SyntaxError");
    assert!(!error.traceback.contains("/proc/"), "{}", error.traceback);
    done(worker).await;
}

async fn an_exit_ends_the_evaluation_and_not_the_worker() {
    let worker = python();
    assert_eq!(value(worker.eval("import sys\nsys.exit()").await), Value::Null);
    assert_eq!(raised(worker.eval("sys.exit(3)").await).kind, "SystemExit");
    assert_eq!(value(worker.eval("sys.argv").await), Value::List(vec!["".into()]));
    assert_eq!(status(&worker).await.epoch, 1);
    done(worker).await;
}

async fn a_program_that_exits_ends_its_process_with_its_code() {
    let worker = python();
    let source = "print('before', end='')\nraise SystemExit(7)".to_owned();
    let code = oast::Code { source, name: "/nowhere/program.py".to_owned(), module: true, arguments: Vec::new() };
    let request = oast::Request { job: oast::Job::Code(code), fetch: false };
    let ended = within("its end", worker.submit(request, oast::EvalOptions::default())).await;
    assert_eq!(cause(ended), Cause::Exit(7));
    done(worker).await;
}

async fn a_thread_prints_for_the_evaluation_that_started_it() {
    let worker = python();
    let source = "import threading, time\n\
                  def late(): time.sleep(0.1); print('late')\n\
                  thread = threading.Thread(target=late); thread.start(); print('early')";
    assert_eq!(printed(worker.eval(source), Stream::Stdout).await, "early\n");
    assert_eq!(printed(worker.eval("print('mine'); thread.join()"), Stream::Stdout).await, "mine\n");
    done(worker).await;
}

async fn processes_that_it_forks_are_nobodys_workers() {
    let worker = python();
    let source = "import multiprocessing, os\n\
                  def squared(x): return x * x\n\
                  with multiprocessing.get_context('fork').Pool(2) as pool: found = pool.map(squared, range(4))\nfound";
    let squares = [0, 1, 4, 9].map(Value::Int).to_vec();
    assert_eq!(value(within("its end", worker.eval(source)).await), Value::List(squares));
    let child =
        "pid = os.fork()\nif pid == 0:\n  print('from the child', flush=True); os._exit(0)\nos.waitpid(pid, 0)[1]";
    let ended = outcome(within("its end", worker.eval(child)).await);
    assert_eq!(ended.result, Ok(Value::Int(0)));
    assert_eq!(value(worker.eval("1").await), Value::Int(1));
    done(worker).await;
}

async fn output_below_python_is_captured() {
    let worker = python();
    let source = "import ctypes, os, subprocess\n\
                  subprocess.run(['echo', 'from a child'])\nos.write(1, b'from a descriptor\\n')\n\
                  ctypes.CDLL(None).puts(b'from C'); ctypes.CDLL(None).fflush(None)\nprint('from Python')";
    let all = printed(worker.eval(source), Stream::Stdout).await;
    for line in ["from a child", "from a descriptor", "from C", "from Python"] {
        assert!(all.contains(line), "{all}");
    }
    done(worker).await;
}

async fn a_blocking_call_is_interrupted() {
    let worker = python();
    value(worker.run("import time, select, os").await);
    for source in
        ["time.sleep(20)", "select.select([os.pipe()[0]], [], [])", "import threading\nthreading.Event().wait()"]
    {
        let blocked = worker.eval(source);
        pause(100).await;
        let since = Instant::now();
        blocked.interrupt();
        assert_eq!(within("its end", blocked).await, Err(EvalError::Interrupted(Interrupter::Caller)), "{source}");
        assert!(since.elapsed() < Duration::from_secs(2), "{source}: {:?}", since.elapsed());
    }
    assert_eq!(status(&worker).await.epoch, 1);
    done(worker).await;
}

async fn a_flood_of_prints_is_interrupted_between_two() {
    let worker = start(stage::python("python").profile(patient()));
    value(worker.run("1").await);
    for _ in 0..20 {
        let flood = worker.eval("import sys\nwhile True: print('out'); print('err', file=sys.stderr)");
        pause(20).await;
        flood.interrupt();
        assert_eq!(within("its end", flood).await, Err(EvalError::Interrupted(Interrupter::Caller)));
        assert_eq!(printed(worker.eval("print('whole')"), Stream::Stdout).await, "whole\n");
    }
    assert_eq!(status(&worker).await.epoch, 1, "no frame was cut");
    done(worker).await;
}

async fn an_interrupt_spares_what_waits_beside_it() {
    let worker = python();
    value(worker.run("import asyncio").await);
    let waits = worker.eval("await asyncio.sleep(0.5)\n'slept'");
    let mut busy = worker.eval("print('busy')\nwhile True: pass");
    within("its print", busy.printed()).await;
    busy.interrupt();
    assert_eq!(within("its end", busy).await, Err(EvalError::Interrupted(Interrupter::Caller)));
    assert_eq!(value(within("its end", waits).await), Value::from("slept"));
    done(worker).await;
}

async fn a_segfault_ends_the_process_and_is_told() {
    let worker = python();
    value(worker.run("kept = 1").await);
    assert_eq!(cause(within("its end", worker.eval("import ctypes\nctypes.string_at(0)")).await), Cause::Signal(11));
    assert_eq!(raised(worker.eval("kept").await).kind, "NameError");
    done(worker).await;
}

async fn too_much_memory_is_told() {
    let mut profile = kept();
    profile.limits.memory = Some(ByteSize::mib(128));
    let worker = start(stage::python("python").profile(profile));
    let report = lost(within("its end", worker.eval("hoard = []\nwhile True: hoard.append(b'x' * (1 << 20))")).await);
    assert!(matches!(report.cause, Cause::MemoryLimit { .. }), "{report:?}");
    done(worker).await;
}

async fn strangers_are_confined() {
    needs("landlock");
    let worker = start(stage::python("python").profile(Profile::untrusted()));
    let tried = worker
        .eval("import socket\ntry: open('/etc/passwd'); found = 'it read'\nexcept OSError: found = 'no'\nfound")
        .await;
    match tried {
        Err(EvalError::NotStarted(NotStarted::StartFailed(report))) => {
            done(worker).await;
            skip(format!("the system has no Python: {report:?}"));
        }
        tried => assert_eq!(value(tried), Value::from("no")),
    }
    assert_eq!(raised(worker.eval("socket.socket()").await).kind, "PermissionError");
    done(worker).await;
}

async fn an_interpreter_that_is_not_there_is_named() {
    let worker = start(stage::python("python").interpreter("python9").profile(kept()));
    let NotStarted::StartFailed(report) = refusal(worker.eval("1").await) else { panic!("it cannot have started") };
    let Cause::Start(why) = &report.cause else { panic!("{report:?}") };
    assert!(why.contains("`python9`") && why.contains("`PATH`") && why.contains("`python.executable`"), "{why}");
    done(worker).await;
}

async fn a_program_has_its_arguments_and_waits_for_its_threads() {
    let scratch = Scratch::new();
    let path = scratch.file("program.py");
    std::fs::write(scratch.file("beside.py"), "word = 'beside'").unwrap();
    let source = "import sys, threading, time, beside\n\
                  def late(): time.sleep(0.2); print('late')\n\
                  threading.Thread(target=late).start()\nprint(sys.argv[1:], __name__, beside.word)";
    let worker = python();
    let code = oast::Code { source: source.to_owned(), name: path, module: true, arguments: vec!["a".to_owned()] };
    let request = oast::Request { job: oast::Job::Code(code), fetch: false };
    let ran = worker.submit(request, oast::EvalOptions::default());
    assert_eq!(printed(ran, Stream::Stdout).await, "['a'] __main__ beside\nlate\n");
    done(worker).await;
}

async fn forks_of_a_template_have_what_it_imported_and_nothing_else() {
    let worker = start(stage::python("python").profile(Profile::trusted()).template().preload(["decimal"]));
    let mut drawn = Vec::new();
    for _ in 0..3 {
        forked(&worker).await;
        let source = "import sys, random\n('decimal' in sys.modules, 'mark' in globals(), random.random())";
        let Value::List(found) = value(worker.eval(source).await) else { panic!("it is no list") };
        assert_eq!((&found[0], &found[1]), (&true.into(), &false.into()));
        assert!(!drawn.contains(&found[2]), "they draw the same numbers");
        drawn.push(found[2].clone());
        value(worker.run("mark = 1").await);
        worker.restart();
    }
    forked(&worker).await;
    let endless = worker.eval("while True: pass");
    pause(100).await;
    endless.interrupt();
    assert_eq!(within("its end", endless).await, Err(EvalError::Interrupted(Interrupter::Caller)));
    assert_eq!(printed(worker.eval("print('fork')"), Stream::Stdout).await, "fork\n");
    let left = worker.eval("import os\nif os.fork() == 0: __import__('time').sleep(100)\n1");
    value(within("its end", left).await);
    done(worker).await;
}

async fn forks_of_a_template_are_confined() {
    ["user-namespaces", "landlock", "seccomp"].into_iter().for_each(needs);
    let mut profile = Profile::untrusted();
    profile.restart.intensity = u32::MAX;
    let worker = start(stage::python("python").profile(profile).template());
    if let Err(EvalError::NotStarted(NotStarted::StartFailed(report))) = worker.eval("1").await {
        done(worker).await;
        skip(format!("the system has no Python: {report:?}"));
    }
    let process = forked(&worker).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:"), field("CapEff:")), ("1", "2", "0000000000000000"));
    let source =
        "import os\n(os.getpid(), os.path.exists('/etc/passwd'), os.getuid() == 0, open('/scratch/x', 'w').write('x'))";
    let Value::List(found) = value(worker.eval(source).await) else { panic!("it is no list") };
    assert_eq!(found, [2.into(), false.into(), false.into(), Value::Int(1)]);
    let orphan = "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep 100 & sleep 100 &']).wait()";
    assert_eq!(value(within("its end", worker.eval(orphan)).await), Value::Int(0));
    assert_eq!(cause(within("its end", worker.eval("os.kill(os.getpid(), 9)")).await), Cause::KilledFromOutside(9));
    assert_eq!(value(worker.eval("1 + 1").await), Value::Int(2));
    done(worker).await;
}

async fn a_template_that_cannot_be_made_costs_nothing_but_time() {
    let worker = start(stage::python("python").profile(Profile::trusted()).template().preload(["no_such_module"]));
    for _ in 0..3 {
        assert_eq!(value(worker.eval("1 + 1").await), Value::Int(2));
        pause(100).await;
        worker.restart();
    }
    done(worker).await;
}

async fn what_is_odd_costs_one_evaluation() {
    let worker = python();
    for (source, kind) in [
        ("raise ValueError('\\ud83d')", "ValueError"),
        ("raise ValueError('x' * (1 << 27))", "ValueError"),
        ("class Bad(Exception):\n  def __str__(self): raise SystemExit\nraise Bad()", "Bad"),
        ("class Code:\n  def __bool__(self): raise OSError\nraise SystemExit(Code())", "SystemExit"),
        ("'\\0' + (", "SyntaxError"),
    ] {
        assert_eq!(raised(within("its end", worker.eval(source)).await).kind, kind, "{source}");
    }
    for source in [
        "'\\ud83d'",
        "import sys\ndel sys.stdout",
        "import os, sys\nsys.stdout = sys.__stdout__\nos.close(1)\nprint('x', end='')",
        "from unittest import mock\nmock.Mock()",
        "sys.argv = ('a',)",
        "import asyncio\nasync def leave(): sys.exit()\nawait asyncio.gather(leave(), leave(), return_exceptions=True)",
        "import io\nio.TextIOWrapper(sys.__stderr__.buffer).write('x')",
    ] {
        drop(outcome(within("its end", worker.eval(source)).await));
    }
    let channel = worker.channel("odd", 4).unwrap();
    let digits = oast::BigInt::parse(&"7".repeat(5000)).unwrap();
    for value in [Value::BigInt(digits), Value::Date(f64::NAN), Value::Date(1e300)] {
        channel.put(value).await.unwrap();
    }
    let taken = "import oast\n[type(oast.channel('odd').take()).__name__ for _ in range(3)]";
    let names = ["int", "float", "float"].map(Value::from).to_vec();
    assert_eq!(value(within("its end", worker.eval(taken)).await), Value::List(names));
    drop(channel);
    assert_eq!(status(&worker).await.epoch, 1);
    done(worker).await;
}

async fn an_interrupt_before_the_first_step_is_not_lost() {
    for milliseconds in [0, 5, 20, 60] {
        let worker = start(stage::python("python").profile(patient()));
        value(worker.run("1").await);
        let slow = worker.eval("import time\ntime.sleep(20)\nawait None");
        pause(milliseconds).await;
        slow.interrupt();
        assert!(within("its end", slow).await.is_err());
        value(worker.run("1").await);
        assert_eq!(status(&worker).await.epoch, 1, "it lives on");
        done(worker).await;
    }
}

fn patient() -> Profile {
    let mut profile = kept();
    profile.limits.grace = Duration::from_secs(8);
    profile
}

async fn nothing_beside_it_is_taken_for_a_library() {
    let scratch = Scratch::new();
    for name in ["json", "random", "socket", "select", "array", "traceback", "asyncio"] {
        let text = format!("open({:?}, 'w').close()", scratch.file("taken"));
        std::fs::write(scratch.file(&format!("{name}.py")), text).unwrap();
    }
    let spec = stage::python("python").profile(Profile::trusted()).directory(scratch.directory());
    for worker in [start(spec.clone()), start(spec.template())] {
        for _ in 0..3 {
            value(worker.run("async def f(): return 1\nawait f()").await);
            assert_eq!(raised(worker.eval("1 / 0").await).kind, "ZeroDivisionError");
            pause(100).await;
            worker.restart();
        }
        done(worker).await;
    }
    assert!(!std::path::Path::new(&scratch.file("taken")).exists(), "one of them ran");
}
