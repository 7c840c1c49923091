//! The host's side of templates: which groups their forks are lent, which processes are forked from which, when one is
//! replaced by a fresh one, and what is done without. What a template does itself is in `src/worker/template.rs`. The
//! processes belong to the one thread that starts them.

use std::{
    collections::HashMap,
    io::Result,
    os::fd::BorrowedFd,
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{io::Errno, process::Pid};

use super::{
    launch::Recipe,
    spawner::{self, Process},
    talk::Talk,
};
use crate::{
    sandbox::groups::{Groups, Limits},
    wire::{Confinement, FromLauncher, ResourceLimits, RuntimeSettings, TemplateSettings, ToLauncher},
};

/// How long a template may take to be ready.
const WARM_UP_TIME: Duration = Duration::from_secs(10);
/// How long a fork may take.
const FORK_TIME: Duration = Duration::from_secs(1);
/// How many groups are kept for forks to come.
const MOST_FREE: usize = 64;
/// After a template that failed, processes are started without one for this long.
const PAUSE: Duration = Duration::from_secs(1);

/// What worker processes are forked from. Clones are the same one; its process ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Template(Arc<Lender>);

#[derive(Debug)]
struct Lender {
    id: u64,
    wear: Wear,
    /// Groups that are made and that nobody is in, with what they hold to.
    free: Mutex<Vec<(Limits, Groups)>>,
}

/// When a template is replaced: all that it forks have the same layout of memory, and the same secrets in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wear {
    /// After so many forks.
    pub(crate) forks: u32,
    /// After so long.
    pub(crate) lifetime: Duration,
}

impl Default for Wear {
    fn default() -> Self {
        Self { forks: 1000, lifetime: Duration::from_secs(600) }
    }
}

/// What is needed to start a template.
pub(super) struct Making {
    pub(super) template: Template,
    /// What its process is called.
    pub(super) title: String,
    pub(super) settings: TemplateSettings,
}

/// All templates of this program.
#[derive(Default)]
pub(super) struct Templates(HashMap<(u64, Made), Succession>);

/// What a template makes once, and hands down: processes that differ in it cannot be forked from the same one.
#[derive(PartialEq, Eq, Hash)]
struct Made {
    recipe: Recipe,
    runtime: RuntimeSettings,
    limits: ResourceLimits,
    confinement: Confinement,
}

/// One template: the process that serves, and the one that will.
#[derive(Default)]
struct Succession {
    serving: Option<Nursery>,
    coming: Option<Nursery>,
    failed: Option<Instant>,
}

/// A process that forks others, or is about to be ready for it.
struct Nursery {
    talk: Talk,
    forks: u32,
    since: Instant,
}

impl Template {
    pub(crate) fn new(wear: Wear) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(Arc::new(Lender { id: LAST.fetch_add(1, Ordering::Relaxed), wear, free: Mutex::default() }))
    }

    /// Groups for a fork, which are made already where there are any.
    pub(super) fn lend(&self, limits: Limits) -> Groups {
        let mut free = self.free();
        let found = free.iter().position(|(held, _)| *held == limits);
        found.map_or_else(|| Groups::to_lend(limits, self.0.id), |at| free.swap_remove(at).1)
    }

    /// Takes the groups of a fork back that is gone. Whether they are of use.
    pub(super) fn take_back(&self, limits: Limits, groups: &Groups) -> bool {
        let Some(groups) = groups.clone().take_back() else { return false };
        let mut free = self.free();
        let has_room = free.len() < MOST_FREE;
        if has_room {
            free.push((limits, groups));
        }
        has_room
    }

    fn free(&self) -> MutexGuard<'_, Vec<(Limits, Groups)>> {
        self.0.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        let free = std::mem::take(self.free.get_mut().unwrap_or_else(PoisonError::into_inner));
        spawner::retire(self.id, free.into_iter().map(|(_, groups)| groups).collect());
    }
}

impl Templates {
    /// Forks a launcher that has these standard descriptors. `None` where no template can, now: then it is started as if there
    /// were none, and in the background one is made. Processes that are not needed any more are added to `retired`.
    ///
    /// # Errors
    /// It may have forked and cannot say: nobody else may have the descriptors then.
    pub(super) fn fork(
        &mut self,
        making: Making,
        recipe: &Recipe,
        standard: [BorrowedFd<'_>; 3],
        retired: &mut Vec<Process>,
    ) -> Result<Option<Pid>> {
        let Making { template, title, settings } = making;
        let TemplateSettings { runtime, limits, confinement, groups: _ } = settings.clone();
        let made = Made { recipe: recipe.clone(), runtime, limits, confinement };
        let succession = self.0.entry((template.0.id, made)).or_default();
        succession.promote(retired);
        if succession.needs_another(template.0.wear) {
            succession.coming = Nursery::start(recipe.command(&title), settings).ok();
        }
        let Some(serving) = succession.serving.as_mut() else { return Ok(None) };
        let forked = serving.fork(standard);
        if !matches!(forked, Ok(Some(_))) {
            succession.failed = Some(Instant::now());
            retired.extend(succession.serving.take().map(Nursery::retire));
        }
        forked
    }

    /// The process of a template that nobody has any more.
    pub(super) fn retire(&mut self, template: u64, retired: &mut Vec<Process>) {
        let of_it = self.0.extract_if(|(id, _), _| *id == template);
        let processes = of_it.flat_map(|(_, Succession { serving, coming, .. })| [serving, coming]);
        retired.extend(processes.flatten().map(Nursery::retire));
    }
}

impl Succession {
    /// Lets the one that was made serve, once it can.
    fn promote(&mut self, retired: &mut Vec<Process>) {
        let said = self.coming.as_mut().map(|coming| coming.talk.hear(Duration::ZERO));
        match said {
            Some(Err(Errno::AGAIN)) if self.coming.as_ref().is_some_and(Nursery::hangs) => {
                self.failed = Some(Instant::now());
                retired.extend(self.coming.take().map(Nursery::kill));
            }
            None | Some(Err(Errno::AGAIN)) => {}
            Some(Ok(FromLauncher::Warm)) => {
                let before = std::mem::replace(&mut self.serving, self.coming.take());
                retired.extend(before.map(Nursery::retire));
            }
            Some(Ok(_) | Err(_)) => {
                self.failed = Some(Instant::now());
                retired.extend(self.coming.take().map(Nursery::retire));
            }
        }
    }

    fn needs_another(&self, wear: Wear) -> bool {
        let has_paused = self.failed.is_none_or(|failed| failed.elapsed() >= PAUSE);
        self.coming.is_none() && has_paused && self.serving.as_ref().is_none_or(|nursery| nursery.is_worn(wear))
    }
}

impl Nursery {
    fn start(command: Command, settings: TemplateSettings) -> Result<Self> {
        let talk = Talk::start(command, &ToLauncher::WarmUp(Box::new(settings)))?;
        Ok(Self { talk, forks: 0, since: Instant::now() })
    }

    fn is_worn(&self, wear: Wear) -> bool {
        self.forks >= wear.forks || self.since.elapsed() >= wear.lifetime
    }

    /// Whether it takes so long to be ready that it never will.
    fn hangs(&self) -> bool {
        self.since.elapsed() >= WARM_UP_TIME
    }

    /// `None` where it surely has not forked.
    fn fork(&mut self, standard: [BorrowedFd<'_>; 3]) -> Result<Option<Pid>> {
        self.forks += 1;
        if self.talk.say(&ToLauncher::Fork, &standard).is_err() {
            return Ok(None);
        }
        let heard = self.talk.hear(FORK_TIME).or_else(|_late| {
            // What it says once it is dead is its last word.
            self.talk.end();
            self.talk.hear(Duration::ZERO)
        });
        match heard {
            Ok(FromLauncher::Forked { pid }) => Ok(i32::try_from(pid).ok().and_then(Pid::from_raw)),
            Ok(FromLauncher::Failed { .. }) => Ok(None),
            Ok(
                FromLauncher::Warm
                | FromLauncher::Born { .. }
                | FromLauncher::Ended { .. }
                | FromLauncher::Probed { .. },
            )
            | Err(_) => Err(std::io::Error::other("the template does not say whether it has forked")),
        }
    }

    /// It leaves when it is told to. One that cannot be told leaves when its socket closes.
    fn retire(self) -> Process {
        let _ = self.talk.say(&ToLauncher::Retire, &[]);
        Process::without_groups(self.talk.pid)
    }

    fn kill(self) -> Process {
        self.talk.kill();
        Process::without_groups(self.talk.pid)
    }
}
