//! Programs that say more than anybody wants to hear, or on the control channel what it is not for.

use std::time::Duration;

use oast::{
    Clock::Wall,
    Oast, Spec, Value,
    config::{ByteSize, Config},
};

use super::{
    Row,
    program::{
        Program::{C, Function, JavaScript, Scene},
        request, source,
    },
    promised_by, row,
    told::Told::{AnyValue, Interrupted, Protocol, Raised, Stopped, Through, TimeLimit},
    untrusted, wall_time,
};
use crate::{
    fixtures::{behave, hostile, misbehave},
    stage::{call, done, functions, javascript, lives, process, returned, stateless, until, value, within},
};

pub(super) fn rows() -> Vec<Row> {
    [output(), frames(), messages()].into_iter().flatten().collect()
}

fn output() -> Vec<Row> {
    vec![
        row(42, "floods its output in javascript", JavaScript("for (;;) console.log('y')"), Interrupted(Wall))
            .under(wall_time),
        row(43, "floods standard error alone", C(source!("yes.c")), TimeLimit(Wall)).under(wall_time),
        row(44, "floods both and never ends a line", C(source!("flood.c")), TimeLimit(Wall)).under(wall_time),
        row(45, "never reads what it is sent", Scene(|| Box::pin(never_reads())), Through),
        row(46, "closes its output and goes on", Function(|_| request(hostile::close_its_output, ())), Through),
    ]
}

fn frames() -> Vec<Row> {
    vec![
        row(
            47,
            "closes its control channel",
            Function(|_| request(misbehave::close_the_control_channel, ())),
            Protocol,
        ),
        row(48, "says garbage", Function(|_| request(misbehave::say_garbage, ())), Protocol),
        row(48, "looks for the control channel in its program", C(source!("descriptors.c")), Stopped(&[libc::EBADF])),
        row(49, "announces four gibibytes", Function(|_| request(misbehave::say_four_gibibytes, ())), Protocol),
        row(50, "says a frame byte by byte", Function(|_| request(hostile::dribble, ())), TimeLimit(Wall))
            .under(wall_time),
        row(51, "answers what nobody asked", Function(|_| request(misbehave::answer_what_nobody_asked, ())), Protocol),
        row(51, "answers another question", Function(|_| request(hostile::answer_another, ())), Protocol),
    ]
}

fn messages() -> Vec<Row> {
    vec![
        row(52, "says that all is well and goes on", Scene(|| Box::pin(goes_on_in_the_background())), Through),
        row(
            53,
            "returns what is nested too deeply",
            JavaScript("let all = []; for (let i = 0; i < 1e5; i++) all = [all]; all"),
            AnyValue,
        ),
        row(53, "returns half a character and no number", JavaScript("['\\ud800', NaN, -0, Infinity]"), AnyValue),
        promised_by(
            53,
            "says frames that nest or are no text",
            &[
                "wire::hostile_tests::lists_that_nest_a_hundred_thousand_deep_are_refused",
                "wire::hostile_tests::values_that_cannot_be_are_refused",
                "wire::hostile_tests::random_bodies_are_never_more_than_an_error",
            ],
        ),
        row(54, "sends descriptors along", Function(|_| request(hostile::send_descriptors, ())), Protocol),
        row(
            55,
            "returns more than a message may have",
            Function(|_| request(hostile::return_ten_million, ())),
            Raised("bytes"),
        )
        .under(|profile| profile.limits.message = ByteSize::mib(1)),
        row(55, "returns many small objects", JavaScript("new Array(200_000).fill([])"), Raised("bytes"))
            .under(|profile| profile.limits.message = ByteSize::mib(1)),
        promised_by(
            55,
            "says that it has more than its frame",
            &["wire::hostile_tests::results_are_bounded_as_messages_are"],
        ),
        row(56, "lies about itself", Function(|_| request(hostile::lie_about_itself, ())), super::Told::MemoryLimit),
    ]
}

/// A hundred megabytes for a process that reads none of it block nobody, and end with it.
async fn never_reads() {
    let mut profile = untrusted();
    profile.limits.wall_time = Some(Duration::from_millis(800));
    let (worker, neighbour) = (functions(profile), javascript(stateless()));
    value(call(&worker, behave::nothing, ()).await);
    let deaf = call(&worker, misbehave::stop_itself, ());
    let large = oast::Blob::from(vec![1; 10 << 20]);
    let behind: Vec<_> = (0..10).map(|_| call(&worker, swallow, (large.clone(),))).collect();
    assert_eq!(value(within("its neighbour", neighbour.eval("1 + 1")).await), Value::Int(2));
    assert!(within("the limit", deaf).await.is_err());
    for one in behind {
        assert_eq!(returned::<u64>(within("its turn", one).await), 10 << 20);
    }
    done(worker).await;
    done(neighbour).await;
}

fn swallow(bytes: oast::Blob) -> u64 {
    bytes.len() as u64
}

async fn goes_on_in_the_background() {
    let oast = Oast::start(Config::default()).unwrap();
    oast.pool_of(Spec::functions("pool").profile(untrusted()), 1, 1).await.unwrap();
    let lease = oast.lease("pool").await.unwrap();
    value(call(&lease, hostile::go_on_in_the_background, ()).await);
    let first = process(&lease).await;
    drop(lease);
    let lease = within("a clean worker", oast.lease("pool")).await.unwrap();
    value(call(&lease, behave::nothing, ()).await);
    assert_ne!(first, process(&lease).await);
    until("the first is gone", || !lives(first.as_raw_nonzero().get())).await;
    drop(lease);
    oast.shutdown().await;
}
