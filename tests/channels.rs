//! Channels between a caller and the code in its worker: bounded, in order, closable, and tied to the worker's life.

use std::time::Duration;

use libtest_mimic::Trial;
use oast::{ChannelError, EvalError, Interrupter, Value};

use crate::{
    contract::Place,
    fixtures::misbehave,
    harness::promise,
    stage::{call, done, functions, javascript, kept, returned, until, value, within},
};

type Play = fn(Place) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => { [$((stringify!($name), (|place| Box::pin($name(place))) as Play)),*] };
}

pub(crate) fn tests() -> Vec<Trial> {
    let scenarios = scenarios![
        the_worker_puts_and_the_host_takes,
        the_host_puts_and_the_worker_takes,
        values_come_in_order,
        twice_the_capacity_blocks_and_drains,
        nothing_is_ready_at_the_end,
        a_closed_channel_gives_what_it_has_and_then_says_so,
        the_worker_can_close_it,
        a_name_is_known_once,
        it_closes_with_its_worker,
        many_channels_do_not_disturb_each_other,
    ];
    let places = Place::ALL.into_iter().filter(|place| !place.to_string().ends_with("rust"));
    let played = places.flat_map(|place| {
        scenarios.map(|(name, play)| promise(format!("channels::{place}::{name}"), move || play(place)))
    });
    let mut trials: Vec<Trial> = played.collect();
    trials.extend(promises!("channels": a_crash_closes_it_and_nobody_hangs));
    trials.extend(promises!("channels::rust": a_function_takes_and_puts, a_function_that_waits_can_be_interrupted));
    trials
}

async fn the_worker_puts_and_the_host_takes(place: Place) {
    let worker = place.worker();
    let channel = worker.channel("out", 4).unwrap();
    let put = place.either(
        "await oast.channel('out').put({ answer: 42 })",
        "import oast\noast.channel('out').put({ 'answer': 42 })",
    );
    value(worker.run(put).await);
    let answer = Value::Map(vec![(Value::Text("answer".to_owned()), Value::Int(42))]);
    assert_eq!(within("a value", channel.take()).await, Ok(answer));
    drop(channel);
    done(worker).await;
}

async fn the_host_puts_and_the_worker_takes(place: Place) {
    let worker = place.worker();
    let channel = worker.channel("in", 4).unwrap();
    let taken = worker.eval(place.either("await oast.channel('in').take()", "import oast\noast.channel('in').take()"));
    within("room", channel.put("hello")).await.unwrap();
    assert_eq!(value(within("the value", taken).await), Value::Text("hello".to_owned()));
    drop(channel);
    done(worker).await;
}

async fn values_come_in_order(place: Place) {
    let worker = place.worker();
    let channel = worker.channel("both", 16).unwrap();
    for number in 0..10_i64 {
        within("room", channel.put(number)).await.unwrap();
    }
    let echo = place.either(
        "const both = oast.channel('both'); for (let i = 0; i < 10; i++) await both.put(await both.take())",
        "import oast\nboth = oast.channel('both')\nfor _ in range(10): both.put(both.take())",
    );
    value(within("the echo", worker.run(echo)).await);
    for number in 0..10_i64 {
        assert_eq!(within("a value", channel.take()).await, Ok(Value::Int(number)));
    }
    drop(channel);
    done(worker).await;
}

async fn twice_the_capacity_blocks_and_drains(place: Place) {
    let worker = place.worker();
    let channel = worker.channel("narrow", 4).unwrap();
    let mut producer = worker.eval(place.either(
        "const narrow = oast.channel('narrow'); \
         for (let i = 0; i < 8; i++) { await narrow.put(i); console.log(i) } 'all'",
        "import asyncio, oast\nnarrow = oast.channel('narrow')\n\
         for i in range(8): await narrow.put_async(i); print(i)\n'all'",
    ));
    let mut puts = 0;
    while puts < 4 {
        puts += within("a put", producer.printed()).await.unwrap().bytes.split(|byte| *byte == b'\n').count() - 1;
    }
    // Whatever is asked of the worker now is answered while the producer waits for room.
    value(worker.eval("1").await);
    assert!(!producer.is_ended(), "there is no room for more");
    for number in 0..8_i64 {
        assert_eq!(within("a value", channel.take()).await, Ok(Value::Int(number)));
    }
    assert_eq!(value(within("the producer's end", producer).await), Value::Text("all".to_owned()));

    let consumer = worker.eval(place.either(
        "const taken = []; for (let i = 0; i < 8; i++) taken.push(await oast.channel('narrow').take()); taken.length",
        "len([await oast.channel('narrow').take_async() for _ in range(8)])",
    ));
    for number in 0..8_i64 {
        within("room", channel.put(number)).await.unwrap();
    }
    assert_eq!(value(within("the consumer's end", consumer).await), Value::Int(8));
    drop(channel);
    done(worker).await;
}

async fn nothing_is_ready_at_the_end(place: Place) {
    let worker = place.worker();
    let channel = worker.channel("out", 2).unwrap();
    assert!(!channel.is_ready());
    assert_eq!(channel.try_take(), Ok(None));
    value(
        worker.run(place.either("await oast.channel('out').put(1)", "import oast\noast.channel('out').put(1)")).await,
    );
    until("a value is ready", || channel.is_ready()).await;
    assert_eq!(channel.try_take(), Ok(Some(Value::Int(1))));
    assert!(!channel.is_ready() && channel.is_open());
    drop(channel);
    done(worker).await;
}

async fn a_closed_channel_gives_what_it_has_and_then_says_so(place: Place) {
    let worker = place.worker();
    let channel = worker.channel("out", 4).unwrap();
    let put = place.either(
        "const out = oast.channel('out'); await out.put(1); await out.put(2)",
        "import oast\nout = oast.channel('out')\nout.put(1); out.put(2)",
    );
    value(worker.run(put).await);
    until("a value is ready", || channel.is_ready()).await;
    channel.close();
    assert!(!channel.is_open());
    assert_eq!(channel.take().await, Ok(Value::Int(1)));
    assert_eq!(channel.take().await, Ok(Value::Int(2)));
    assert_eq!(channel.take().await, Err(ChannelError::Closed));
    assert_eq!(channel.put(1_i64).await, Err(ChannelError::Closed));
    let name = place.either(
        "try { await oast.channel('out').put(3); 'open' } catch (error) { error.name }",
        "try: out.put(3)\nexcept oast.ChannelClosed as error: found = type(error).__name__\nfound",
    );
    assert_eq!(value(within("the other end", worker.eval(name)).await), Value::Text("ChannelClosed".to_owned()));
    drop(channel);
    done(worker).await;
}

async fn the_worker_can_close_it(place: Place) {
    let worker = place.worker();
    let channel = worker.channel("out", 4).unwrap();
    let put = place.either(
        "const out = oast.channel('out'); await out.put(1); out.close()",
        "import oast\nout = oast.channel('out')\nout.put(1); out.close()",
    );
    value(worker.run(put).await);
    assert_eq!(within("the value", channel.take()).await, Ok(Value::Int(1)));
    assert_eq!(within("the end", channel.take()).await, Err(ChannelError::Closed));
    drop(channel);
    done(worker).await;
}

async fn a_name_is_known_once(place: Place) {
    let worker = place.worker();
    let older = worker.channel("out", 4).unwrap();
    let newer = worker.channel("out", 4).unwrap();
    assert!(matches!(within("the refusal", newer.take()).await, Err(ChannelError::NameTaken)));
    value(
        worker.run(place.either("await oast.channel('out').put(1)", "import oast\noast.channel('out').put(1)")).await,
    );
    assert_eq!(within("a value", older.take()).await, Ok(Value::Int(1)));
    drop((older, newer));
    done(worker).await;
}

async fn it_closes_with_its_worker(place: Place) {
    let worker = place.worker();
    let channel = worker.channel("out", 4).unwrap();
    value(worker.eval("1").await);
    let (taken, ()) = within("the end", async { tokio::join!(channel.take(), worker.stop()) }).await;
    assert_eq!(taken, Err(ChannelError::Closed));
    assert!(!channel.is_open());
    drop(channel);
    done(worker).await;
}

async fn many_channels_do_not_disturb_each_other(place: Place) {
    let worker = place.worker();
    let channels: Vec<_> = (0..20).map(|number| worker.channel(&format!("c{number}"), 2).unwrap()).collect();
    let source = place.either(
        "const fill = async (i) => { for (let n = 0; n < 10; n++) await oast.channel('c' + i).put(n) }; \
         for (let i = 0; i < 20; i++) fill(i); 'they go on without anybody waiting for them'",
        "import asyncio, oast\n\
         async def fill(i):\n  for n in range(10): await oast.channel(f'c{i}').put_async(n)\n\
         kept = [asyncio.ensure_future(fill(i)) for i in range(20)]\nawait asyncio.sleep(0)",
    );
    value(worker.run(source).await);
    for number in 0..10_i64 {
        for channel in channels.iter().rev() {
            assert_eq!(within("a value", channel.take()).await, Ok(Value::Int(number)));
        }
    }
    drop(channels);
    done(worker).await;
}

async fn a_crash_closes_it_and_nobody_hangs() {
    let worker = javascript(kept());
    let channel = worker.channel("out", 1).unwrap();
    value(worker.eval("1").await);
    let pid = crate::stage::status(&worker).await.pid.cast_signed();
    let kill = async {
        crate::stage::pause(20).await;
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL)
            .unwrap();
    };
    let (taken, ()) = within("the end", async { tokio::join!(channel.take(), kill) }).await;
    assert_eq!(taken, Err(ChannelError::Closed));
    assert_eq!(within("the end", channel.put(1_i64)).await, Err(ChannelError::Closed));
    drop(channel);
    done(worker).await;

    // One that was opened to a worker which crashes before it ever looks at it.
    let worker = functions(kept());
    let channel = worker.channel("unused", 1).unwrap();
    drop(call(&worker, misbehave::abort, ()));
    assert_eq!(actix_rt::time::timeout(Duration::from_secs(10), channel.take()).await, Ok(Err(ChannelError::Closed)));
    drop(channel);
    done(worker).await;
}

fn square_all() -> u32 {
    let Some(numbers) = oast::function_channel("numbers") else { return 0 };
    let mut squared = 0;
    while let Ok(number) = numbers.take() {
        let number = number.as_i64().unwrap();
        numbers.put(number * number).unwrap();
        squared += 1;
    }
    squared
}

async fn a_function_takes_and_puts() {
    let worker = functions(kept());
    let numbers = worker.channel("numbers", 2).unwrap();
    let squared = call(&worker, square_all, ());
    for number in 0..10 {
        numbers.put(number).await.unwrap();
        assert_eq!(within("a square", numbers.take()).await, Ok(Value::Int(number * number)));
    }
    numbers.close();
    assert_eq!(returned::<u32>(within("the end", squared).await), 10);
    drop(numbers);
    done(worker).await;
}

async fn a_function_that_waits_can_be_interrupted() {
    let worker = functions(kept());
    let numbers = worker.channel("numbers", 1).unwrap();
    let squared = call(&worker, square_all, ());
    numbers.put(3).await.unwrap();
    assert_eq!(within("a square", numbers.take()).await, Ok(Value::Int(9)));
    squared.interrupt();
    assert_eq!(within("the end", squared).await, Err(EvalError::Interrupted(Interrupter::Caller)));
    drop(numbers);
    done(worker).await;
}
