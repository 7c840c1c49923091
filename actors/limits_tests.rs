//! What the watches promise: verdicts, costs, and how far a process can get over its limit before it is seen.

use proptest::prelude::*;

use super::{
    MemoryVerdict::{Fine, Soft},
    *,
};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;

fn limits(soft: Option<u64>, hard: Option<u64>, cpu: Option<Duration>) -> Limits {
    Limits {
        wall_time: None,
        cpu_time: cpu,
        grace: SECOND,
        memory_soft: soft.map(ByteSize),
        memory: hard.map(ByteSize),
        idle: None,
        growth: None,
        lifetime: None,
        evaluations: None,
        output: ByteSize::mib(1),
        queue: 1,
        queue_time: None,
        start_time: SECOND,
        message: ByteSize::mib(1),
    }
}

fn watch(soft: Option<u64>, hard: Option<u64>, now: Instant) -> MemoryWatch {
    MemoryWatch::new(&limits(soft, hard, None), now)
}

/// A watch of a process with a limit of 100 MiB that used this much at its last two samples, the last of them now.
fn steady(used: u64, now: Instant) -> MemoryWatch {
    let mut watch = watch(None, Some(100 * MIB), now - 1000 * SECOND);
    for ago in [1, 0] {
        let _verdict = watch.on_sample(ByteSize(used), now - ago * SECOND);
    }
    watch
}

#[test]
fn the_soft_limit_warns_once_per_crossing() {
    let now = Instant::now();
    let mut watch = watch(Some(100), Some(200), now);
    let verdicts = [99, 100, 150, 95, 101, 90, 100, 89, 100].map(|memory| watch.on_sample(ByteSize(memory), now));
    assert_eq!(verdicts, [Fine, Soft, Fine, Fine, Fine, Fine, Fine, Fine, Soft]);
}

#[test]
fn the_hard_limit_is_said_even_where_both_are_crossed_at_once() {
    let now = Instant::now();
    assert_eq!(watch(Some(100), Some(200), now).on_sample(ByteSize(200), now), MemoryVerdict::Hard);
    assert_eq!(watch(None, Some(200), now).on_sample(ByteSize(199), now), Fine);
}

#[test]
fn without_limits_a_busy_worker_is_sampled_for_reports_and_an_idle_one_never() {
    let now = Instant::now();
    let watch = watch(None, None, now);
    assert_eq!(watch.next_sample(Activity::Busy, now), Some(SECOND));
    assert_eq!(watch.next_sample(Activity::Idle { since: now }, now), None);
}

#[test]
fn a_busy_worker_is_sampled_the_sooner_the_closer_it_is_to_its_limit() {
    let now = Instant::now();
    let next = |used| steady(used * MIB, now).next_sample(Activity::Busy, now).unwrap();
    assert_eq!(next(1), 100 * MS);
    assert!((30 * MS..60 * MS).contains(&next(60)), "{:?}", next(60));
    assert_eq!(next(75), 5 * MS);
    assert_eq!(next(99), 2 * MS);
}

#[test]
fn recent_growth_brings_the_next_sample_forward() {
    let start = Instant::now();
    let mut watch = watch(None, Some(10_000 * MIB), start);
    assert_eq!(watch.on_sample(ByteSize(4000 * MIB), start + 2 * SECOND), Fine);
    assert_eq!(watch.next_sample(Activity::Busy, start + 2 * SECOND), Some(100 * MS));
    // 29 times 1000 MiB a second, with 3100 MiB left.
    assert_eq!(watch.on_sample(ByteSize(6900 * MIB), start + 2 * SECOND + 100 * MS), Fine);
    let next = watch.next_sample(Activity::Busy, start + 2 * SECOND + 100 * MS).unwrap();
    assert!((50 * MS..60 * MS).contains(&next), "{next:?}");
    // A pause is not the end of it.
    let burst_is_over = start + 3 * SECOND;
    assert_eq!(watch.on_sample(ByteSize(6900 * MIB), burst_is_over), Fine);
    assert_eq!(watch.next_sample(Activity::Busy, burst_is_over), Some(100 * MS));
    // Whether it goes on in idleness is to be seen in idleness.
    let next = watch.next_sample(Activity::Idle { since: start }, burst_is_over).unwrap();
    assert_eq!(next, 20 * SECOND);
}

#[test]
fn what_a_process_takes_to_start_is_no_growth() {
    let start = Instant::now();
    let mut watch = watch(None, Some(100 * MIB), start);
    let now = start + 2 * MS;
    assert_eq!(watch.on_sample(ByteSize(4 * MIB), now), Fine);
    assert_eq!(watch.next_sample(Activity::Idle { since: now }, now), Some(SECOND));
    assert_eq!(watch.on_sample(ByteSize(4 * MIB), now + SECOND), Fine);
    assert_eq!(watch.next_sample(Activity::Idle { since: now }, now + SECOND), Some(20 * SECOND));
}

#[test]
fn a_worker_that_was_idle_is_sampled_at_once_when_an_evaluation_starts() {
    let now = Instant::now();
    let watch = steady(10 * MIB, now);
    assert_eq!(watch.next_sample(Activity::Busy, now + 9 * SECOND), Some(2 * MS));
    assert_eq!(watch.next_sample(Activity::Busy, now + 40 * MS), Some(Duration::from_nanos(54_371_840)));
}

#[test]
fn a_thousand_quiet_idle_workers_cost_less_than_two_percent_of_a_core() {
    let now = Instant::now();
    // What one sample of a process and all below it was measured to take, on a busy machine: 320 µs.
    let interval = steady(10 * MIB, now).next_sample(Activity::Idle { since: now - 9 * SECOND }, now).unwrap();
    let share = 1000.0 * 320e-6 / interval.as_secs_f64();
    assert!(share < 0.02, "{share}");
}

#[test]
fn a_worker_that_grows_while_idle_is_watched() {
    let start = Instant::now();
    let mut watch = watch(None, Some(1000 * MIB), start);
    assert_eq!(watch.on_sample(ByteSize(2 * MIB), start), Fine);
    assert_eq!(watch.on_sample(ByteSize(4 * MIB), start + SECOND), Fine);
    let now = start + SECOND;
    assert_eq!(watch.next_sample(Activity::Idle { since: now }, now), Some(SECOND));
    assert_eq!(watch.next_sample(Activity::Idle { since: start - 9 * SECOND }, now), Some(20 * SECOND));
    assert_eq!(watch.on_sample(ByteSize(502 * MIB), now + SECOND), Fine);
    let next = watch.next_sample(Activity::Idle { since: start - 9 * SECOND }, now + SECOND).unwrap();
    assert!(next <= 500 * MS, "{next:?}");
}

#[test]
fn cpu_time_from_before_an_evaluation_is_not_charged_to_it() {
    let mut watch = CpuWatch::new(&limits(None, None, Some(SECOND)));
    assert!(!watch.on_sample(None, 10 * SECOND));
    assert!(!watch.on_sample(Some(EvalId(1)), 20 * SECOND));
    assert!(!watch.on_sample(Some(EvalId(1)), 20 * SECOND + 999 * MS));
    assert!(watch.on_sample(Some(EvalId(1)), 21 * SECOND));
    assert!(!watch.on_sample(Some(EvalId(2)), 30 * SECOND));
}

#[test]
fn evaluations_that_take_turns_are_charged_all_the_same() {
    let mut watch = CpuWatch::new(&limits(None, None, Some(SECOND)));
    let over = (1..100_u32).find(|&n| watch.on_sample(Some(EvalId(u64::from(n % 2))), n * 100 * MS));
    assert_eq!(over, Some(21));
    watch.ended(EvalId(0));
    watch.ended(EvalId(1));
    assert!(watch.charged.is_empty());
}

#[test]
fn cpu_is_sampled_only_while_something_runs_under_a_limit() {
    let unlimited = CpuWatch::new(&limits(None, None, None));
    assert_eq!(unlimited.next_sample(Some(EvalId(1))), None);
    let mut watch = CpuWatch::new(&limits(None, None, Some(SECOND)));
    assert_eq!(watch.next_sample(None), None);
    assert_eq!(watch.next_sample(Some(EvalId(1))), Some(100 * MS));
    assert!(!watch.on_sample(Some(EvalId(1)), SECOND));
    assert!(!watch.on_sample(Some(EvalId(1)), SECOND + 990 * MS));
    assert_eq!(watch.next_sample(Some(EvalId(1))), Some(10 * MS));
}

/// Phases of growth: how long, and how many bytes a second, from shrinking fast to the most that is promised for.
fn phases() -> impl Strategy<Value = Vec<(Duration, i64)>> {
    let phase = (1..500_u32).prop_map(|ms| ms * MS);
    let rate = prop_oneof![Just(0), Just(1_000_000_000), -1_000_000_000..=1_000_000_000_i64];
    prop::collection::vec((phase, rate), 1..40)
}

/// Memory of a process that has gone through these phases for this long.
fn memory_after(phases: &[(Duration, i64)], mut elapsed: Duration) -> u64 {
    let mut memory = 0_i128;
    for &(length, rate) in phases {
        let part = length.min(elapsed);
        memory = (memory + i128::from(rate) * part.as_nanos() as i128 / 1_000_000_000).max(0);
        elapsed -= part;
    }
    u64::try_from(memory).unwrap()
}

proptest! {
    #[test]
    fn a_busy_process_is_seen_before_it_is_two_megabytes_over(phases in phases(), limit in MIB..2000 * MIB) {
        let start = Instant::now();
        let whole: Duration = phases.iter().map(|phase| phase.0).sum();
        let mut watch = watch(None, Some(limit), start);
        let mut elapsed = Duration::ZERO;
        loop {
            let wait = watch.next_sample(Activity::Busy, start + elapsed).unwrap();
            prop_assert!((BUSY_LEAST..=BUSY_MOST).contains(&wait));
            elapsed += wait;
            if elapsed > whole {
                break;
            }
            let memory = memory_after(&phases, elapsed);
            prop_assert!(memory <= limit + 2_000_000, "{} over", memory - limit);
            if watch.on_sample(ByteSize(memory), start + elapsed) == MemoryVerdict::Hard {
                prop_assert!(memory >= limit);
                break;
            }
            prop_assert!(memory < limit);
        }
    }

    #[test]
    fn an_evaluation_that_burns_four_cores_is_stopped_in_time(limit in 1..3_000_u32, cores in 1..=4_u32, before in 0..500_u32) {
        let limit = limit * MS;
        let mut watch = CpuWatch::new(&limits(None, None, Some(limit)));
        let (id, mut elapsed) = (EvalId(7), Duration::ZERO);
        loop {
            elapsed += watch.next_sample(Some(id)).unwrap();
            if watch.on_sample(Some(id), before * SECOND + elapsed * cores) {
                break;
            }
        }
        let over = (elapsed * cores).saturating_sub(limit);
        prop_assert!(elapsed * cores >= limit);
        prop_assert!(over <= ((limit / 10).max(CPU_LEAST) + CPU_LEAST) * cores, "{over:?} over {limit:?}");
    }

    #[test]
    fn no_sample_and_no_limit_can_panic(memory in any::<[u64; 4]>(), soft in any::<u64>(), hard in any::<u64>()) {
        let start = Instant::now();
        let mut watch = watch(Some(soft), Some(hard), start);
        for (n, memory) in memory.into_iter().enumerate() {
            let now = start + u32::try_from(n).unwrap() * MS;
            let verdict = watch.on_sample(ByteSize(memory), now);
            prop_assert_eq!(verdict == MemoryVerdict::Hard, memory >= hard);
            for activity in [Activity::Busy, Activity::Idle { since: start }] {
                prop_assert!(watch.next_sample(activity, now).unwrap() >= BUSY_LEAST);
            }
        }
    }
}
