//! What code prints comes to its caller, told apart, bounded, and never at the price of a worker that waits.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use oast::{EvalError, Interrupter, Printed, Stream, Value, config::ByteSize};

use crate::{
    fixtures::{behave, misbehave},
    stage::{call, done, functions, javascript, kept, outcome, value, within},
};

pub(crate) fn tests() -> Vec<Trial> {
    promises!("output":
        it_streams_as_it_comes,
        it_is_attributed_to_whoever_printed_it,
        it_comes_in_order_even_when_evaluations_are_many,
        fifty_megabytes_are_bounded_and_counted,
        a_flood_does_not_keep_an_interrupt_from_being_heard,
        a_flood_is_bounded_in_the_host,
        a_flood_leaves_its_neighbours_their_turn,
        prints_of_nobody_are_events,
        a_worker_inherits_nothing_by_accident,
    )
}

fn text(printed: &[Printed], stream: Stream) -> String {
    let bytes = printed.iter().filter(|it| it.stream == stream).flat_map(|it| it.bytes.to_vec()).collect();
    String::from_utf8(bytes).unwrap()
}

async fn it_streams_as_it_comes() {
    let worker = javascript(kept());
    let mut evaluation = worker.eval("console.log('now'); await new Promise(() => {})");
    let printed = within("the first words", evaluation.printed()).await.unwrap();
    assert_eq!((printed.stream, &printed.bytes[..]), (Stream::Stdout, &b"now\n"[..]));
    assert!(!evaluation.is_ended());
    evaluation.interrupt();
    assert!(within("its end", evaluation).await.is_err());
    done(worker).await;
}

async fn it_is_attributed_to_whoever_printed_it() {
    let worker = javascript(kept());
    let say = |name: &str, wait: u32| {
        worker.eval(format!(
            "console.log('{name} begins'); await new Promise(r => setTimeout(r, {wait})); console.log('{name} ends')"
        ))
    };
    let (slow, fast) = (say("slow", 60), say("fast", 10));
    for (name, ended) in [("fast", fast.await), ("slow", slow.await)] {
        assert_eq!(text(&outcome(ended).output, Stream::Stdout), format!("{name} begins\n{name} ends\n"));
    }
    done(worker).await;
}

async fn it_comes_in_order_even_when_evaluations_are_many() {
    let worker = functions(kept());
    let all: Vec<_> = (0..100)
        .map(|number| call(&worker, behave::prints, (format!("out {number}"), format!("err {number}"))))
        .collect();
    for (number, one) in all.into_iter().enumerate() {
        let outcome = outcome(within("its turn", one).await);
        // Functions print past the runtime: what is printed in the same breath may be the neighbour's, but none is lost.
        assert!(outcome.output_dropped == 0, "{number}");
    }
    done(worker).await;
}

async fn fifty_megabytes_are_bounded_and_counted() {
    const PRINTED: u64 = 50 << 20;
    let limit = ByteSize::mib(1);
    let mut profile = kept();
    profile.limits.output = limit;
    let worker = functions(profile);
    let outcome = outcome(within("the flood", call(&worker, misbehave::flood, (PRINTED as usize,))).await);
    let got: u64 = outcome.output.iter().map(|printed| printed.bytes.len() as u64).sum();
    assert_eq!((got, outcome.output_dropped), (limit.get(), PRINTED - limit.get()));
    done(worker).await;
}

async fn a_flood_does_not_keep_an_interrupt_from_being_heard() {
    let mut profile = kept();
    profile.limits.grace = Duration::from_secs(8);
    let (functions, javascript) = (functions(profile.clone()), javascript(profile));
    let floods =
        [call(&functions, misbehave::flood_for_ever, ()), javascript.eval("for (;;) console.log('x'.repeat(10_000))")];
    crate::stage::pause(200).await;
    for flood in floods {
        let since = Instant::now();
        flood.interrupt();
        assert_eq!(within("its end", flood).await, Err(EvalError::Interrupted(Interrupter::Caller)));
        assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    }
    done(functions).await;
    done(javascript).await;
}

async fn a_flood_is_bounded_in_the_host() {
    let before = resident();
    let mut profile = kept();
    profile.limits.output = ByteSize::mib(4);
    let worker = functions(profile);
    let flood = call(&worker, misbehave::flood_for_ever, ());
    crate::stage::pause(1500).await;
    flood.interrupt();
    assert!(within("its end", flood).await.is_err());
    let growth = resident().saturating_sub(before);
    assert!(growth < 48 << 20, "it grew by {} MiB", growth >> 20);
    done(worker).await;
}

async fn a_flood_leaves_its_neighbours_their_turn() {
    let (flooding, neighbour) = (functions(kept()), functions(kept()));
    value(call(&neighbour, behave::nothing, ()).await);
    let flood = call(&flooding, misbehave::flood_for_ever, ());
    crate::stage::pause(100).await;
    // All of them live on this one thread, and so does its timer.
    for _ in 0..50 {
        let since = Instant::now();
        crate::stage::pause(5).await;
        value(call(&neighbour, behave::nothing, ()).await);
        assert!(since.elapsed() < Duration::from_millis(500), "{:?}", since.elapsed());
    }
    flood.interrupt();
    assert!(within("its end", flood).await.is_err());
    done(flooding).await;
    done(neighbour).await;
}

/// Resident memory of this process.
pub(crate) fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * rustix::param::page_size() as u64
}

async fn prints_of_nobody_are_events() {
    let worker = javascript(kept());
    let mut events = worker.events();
    value(worker.eval("setTimeout(() => console.log('left over'), 30); 0").await);
    let search = async {
        loop {
            if let Some(printed) = events.next().await.unwrap().printed {
                return printed;
            }
        }
    };
    let printed = within("the print", search).await;
    assert_eq!(&printed.bytes[..], b"left over\n");
    assert_eq!(value(worker.eval("1 + 1").await), Value::Int(2));
    done(worker).await;
}

async fn a_worker_inherits_nothing_by_accident() {
    // Open across the start, as a careless program has it.
    let open = std::fs::File::open("/dev/zero").unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let worker = functions(kept());
    let (descriptors, variables): (Vec<String>, Vec<String>) =
        crate::stage::returned(call(&worker, behave::belongings, ()).await);
    assert!(!descriptors.iter().any(|it| it.contains("/dev/zero")), "{descriptors:?}");
    let allowed = &kept().sandbox.environment;
    assert!(variables.iter().all(|name| allowed.contains(name)), "{variables:?}");
    drop(open);
    done(worker).await;
}
