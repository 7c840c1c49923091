//! What a registry knows: the accounts, the workers behind them, and who waits. It carries out what the accounts decide.
//!
//! It is shared between the actor and its timers, all on one thread. A panic in any of them goes no further than
//! [`Roster::enter`]: the registry lives on with everything it knows, and only the one request has failed. So its
//! mailbox stays open, and what its supervisors and leases tell it is never lost.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::{WeakAddr, dev::OneshotSender};
use actix_rt::{ArbiterHandle, task::JoinHandle};
use tracing::{error, info};

use crate::limits::within_reach;
use crate::{
    CheckoutError, Counters, Journal, Lease, Placement, Registry, Settings, Worker, WorkerSpec,
    checkout::{DefinePool, TakeLease},
    lease::{Effect, LeaseRequest, PoolSettings, SlotId, Ticket},
    member::Member,
    pool::Ledger,
};

/// Answers [`TakeLease`].
pub(crate) type LeaseSender = OneshotSender<Result<Lease, CheckoutError>>;

/// What a registry knows.
pub(crate) struct Roster {
    pub(crate) ledger: Ledger,
    pub(crate) members: BTreeMap<SlotId, Member>,
    templates: BTreeMap<Arc<str>, WorkerSpec>,
    callers: BTreeMap<Ticket, Caller>,
    /// What the accounts decided and is to be carried out.
    pub(crate) effects: VecDeque<Effect>,
    /// Who waits for a worker to be gone.
    pub(crate) forgetting: Vec<(SlotId, OneshotSender<bool>)>,
    /// Who waits for all to be gone.
    pub(crate) draining: Vec<OneshotSender<usize>>,
    /// How long what was submitted may take, once everything is to stop.
    pub(crate) finish: Option<Duration>,
    pub(crate) settings: Settings,
    pub(crate) journal: Journal,
    pub(crate) counters: Arc<Counters>,
    pub(crate) home: ArbiterHandle,
    pub(crate) address: WeakAddr<Registry>,
    timer: Option<(Instant, Timer)>,
    pub(crate) me: Weak<RefCell<Self>>,
}

/// A caller that waits for a lease.
struct Caller {
    sender: LeaseSender,
    pool: Arc<str>,
    /// Takes it off the queue when it does not wait any more.
    _watch: Option<Timer>,
}

/// A task that ends with this.
pub(crate) struct Timer(JoinHandle<()>);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Roster {
    pub(crate) fn new(
        settings: Settings,
        journal: Journal,
        counters: Arc<Counters>,
        address: WeakAddr<Registry>,
    ) -> Rc<RefCell<Self>> {
        Rc::new_cyclic(|me| {
            RefCell::new(Self {
                ledger: Ledger::new(settings.capacity),
                members: BTreeMap::new(),
                templates: BTreeMap::new(),
                callers: BTreeMap::new(),
                effects: VecDeque::new(),
                forgetting: Vec::new(),
                draining: Vec::new(),
                finish: None,
                settings,
                journal,
                counters,
                home: actix_rt::Arbiter::current(),
                address,
                timer: None,
                me: me.clone(),
            })
        })
    }

    /// Runs `act`, then carries out what the accounts decided. `None` after a panic.
    pub(crate) fn enter<T>(roster: &Rc<RefCell<Self>>, act: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let acted = catch_unwind(AssertUnwindSafe(|| act(&mut roster.borrow_mut())));
        // Even after a panic: what was decided before it is true.
        let settled = catch_unwind(AssertUnwindSafe(|| roster.borrow_mut().settle()));
        if acted.is_err() || settled.is_err() {
            error!("registry panicked, and goes on");
        }
        acted.ok()
    }

    /// Runs `act` at a time, unless the registry is gone by then.
    pub(crate) fn at(&self, time: Instant, act: impl FnOnce(&mut Self) + 'static) -> JoinHandle<()> {
        let me = self.me.clone();
        actix_rt::spawn(async move {
            actix_rt::time::sleep_until(time.into()).await;
            if let Some(roster) = me.upgrade() {
                Self::enter(&roster, act);
            }
        })
    }

    /// Lets the accounts see something.
    pub(crate) fn account<T>(&mut self, act: impl FnOnce(&mut Ledger, &mut Vec<Effect>) -> T) -> T {
        let mut effects = Vec::new();
        let result = act(&mut self.ledger, &mut effects);
        self.effects.extend(effects);
        result
    }

    pub(crate) fn checkout(&mut self, spec: WorkerSpec, placement: Placement) -> Result<Worker, CheckoutError> {
        let name = spec.name.clone();
        let named = self.ledger.find(&name);
        if named.is_none() && self.members.values().any(|member| member.worker.name() == &*name) {
            return Err(CheckoutError::Taken { name });
        }
        let tenant = spec.tenant.clone().unwrap_or_default();
        let (slot, is_new) =
            self.ledger.checkout(&name, &tenant).map_err(|refusal| CheckoutError::new(&name, refusal))?;
        if is_new {
            self.add_member(slot, spec, placement);
        } else if let Some(member) = self.members.get(&slot)
            && member.worker.spec().profile != spec.profile
        {
            return Err(CheckoutError::Differs { name });
        }
        self.members.get(&slot).map(|member| member.worker.clone()).ok_or(CheckoutError::Failed)
    }

    pub(crate) fn define_pool(&mut self, define: DefinePool) {
        let DefinePool { name, template, min_spare, max, per_tenant } = define;
        let settings = PoolSettings { min_spare, max, per_tenant, on_return: template.profile.on_return };
        let before = self.templates.insert(name.clone(), template);
        let is_new = before.is_some_and(|before| !before.makes_the_same_as(&self.templates[&name]));
        if is_new {
            info!(pool = %name, "workers are replaced by those of another template");
            // First, so that the new settings hand out none of the old ones.
            self.account(|ledger, effects| ledger.renew_pool(&name, effects));
        }
        self.account(|ledger, effects| ledger.set_pool(name, settings, effects));
    }

    /// Changes what may be changed at run time: all but the number of events.
    pub(crate) fn reconfigure(&mut self, settings: Settings) {
        self.settings = Settings { events: self.settings.events, ..settings };
        self.account(|ledger, effects| ledger.set_capacity(settings.capacity, effects));
    }

    pub(crate) fn take_lease(&mut self, take: TakeLease, sender: LeaseSender) {
        let TakeLease { pool, tenant, wait } = take;
        let now = Instant::now();
        let deadline = now + within_reach(wait.unwrap_or(self.settings.wait));
        let request = LeaseRequest { pool: pool.clone(), tenant: tenant.unwrap_or_default(), deadline };
        let ticket = self.account(|ledger, effects| ledger.request_lease(request, now, effects));
        self.callers.insert(ticket, Caller { sender, pool, _watch: None });
        // Most are answered here.
        self.carry_out_all();
        let watch = self.callers.contains_key(&ticket).then(|| self.watch(ticket));
        if let Some(caller) = self.callers.get_mut(&ticket) {
            caller._watch = watch;
        }
    }

    /// Waits for a caller that does not wait any more, and takes it off the queue.
    fn watch(&self, ticket: Ticket) -> Timer {
        let me = self.me.clone();
        Timer(actix_rt::spawn(async move {
            poll_fn(|context| match me.upgrade() {
                Some(roster) => match roster.borrow_mut().callers.get_mut(&ticket) {
                    Some(caller) => caller.sender.poll_closed(context),
                    None => std::task::Poll::Ready(()),
                },
                None => std::task::Poll::Ready(()),
            })
            .await;
            if let Some(roster) = me.upgrade() {
                Self::enter(&roster, |roster| roster.caller_left(ticket));
            }
        }))
    }

    fn caller_left(&mut self, ticket: Ticket) {
        if self.callers.remove(&ticket).is_some() {
            self.account(|ledger, effects| ledger.cancel(ticket, effects));
        }
    }

    fn settle(&mut self) {
        self.carry_out_all();
        // Whatever was just accounted for, somebody may have to go for it.
        self.relieve();
        self.carry_out_all();
        self.answer_drain(false);
        let Some(wake) = self.ledger.next_deadline() else {
            self.timer = None;
            return;
        };
        if self.timer.as_ref().is_none_or(|(armed, _)| wake < *armed) {
            let tick = self.at(wake, |roster| {
                roster.timer = None;
                roster.account(|ledger, effects| ledger.tick(Instant::now(), effects));
            });
            self.timer = Some((wake, Timer(tick)));
        }
    }

    fn carry_out_all(&mut self) {
        while let Some(effect) = self.effects.pop_front() {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Start { slot, pool } => self.start_pooled(slot, &pool),
            Effect::Grant { ticket, slot } => self.grant(ticket, slot),
            Effect::Refuse { ticket, reason } => {
                let Some(Caller { sender, pool, .. }) = self.callers.remove(&ticket) else { return };
                let error = self.with_broken(CheckoutError::new(&pool, reason));
                // Whoever does not wait any more needs no answer.
                drop(sender.send(Err(error)));
            }
            Effect::Clean { slot, how } => self.clean(slot, how),
            Effect::Stop { slot } => self.stop(slot),
            Effect::Evict { slot } => self.evict(slot),
        }
    }

    fn start_pooled(&mut self, slot: SlotId, pool: &Arc<str>) {
        let Some(template) = self.templates.get(pool) else {
            return self.account(|ledger, effects| ledger.slot_gone(slot, effects));
        };
        let SlotId(number) = slot;
        let mut name: Arc<str> = format!("{pool}-{number}").into();
        // A named worker may have it.
        while self.members.values().any(|member| *member.worker.name() == *name) {
            name = format!("{name}'").into();
        }
        let spec = WorkerSpec { name, ..template.clone() };
        self.add_member(slot, spec, Placement::Home);
        self.order(slot, crate::Start);
    }

    fn grant(&mut self, ticket: Ticket, slot: SlotId) {
        let Some(member) = self.members.get(&slot) else { return };
        let lease = Lease::new(member.worker.lend(member.leases), slot, self.address.clone());
        // A lease that nobody takes returns by itself.
        if let Some(Caller { sender, .. }) = self.callers.remove(&ticket) {
            drop(sender.send(Ok(lease)));
        }
    }

    /// Says why nobody was free, where that is known.
    fn with_broken(&self, error: CheckoutError) -> CheckoutError {
        let CheckoutError::Deadline { pool, waited } = error else { return error };
        let broken = |(slot, member): (&SlotId, &Member)| {
            let theirs = member.broken && self.ledger.is_pool_slot(*slot, &pool);
            theirs.then(|| member.worker.name().to_owned())
        };
        let workers: Vec<String> = self.members.iter().filter_map(broken).collect();
        if workers.is_empty() {
            CheckoutError::Deadline { pool, waited }
        } else {
            CheckoutError::Broken { pool, waited, workers }
        }
    }
}
