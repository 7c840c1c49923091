//! A worker process proper, after its launcher's fork: it says hello and serves until it is told to leave or its host
//! is gone.

use std::{rc::Rc, sync::Arc};

use oast_config::{ByteSize, Latency};

use super::{
    Functions, Host, Interrupts, MainLoop, Outlet, Runtime, WorkerHost, foreign,
    launcher::Channels,
    page::Page,
    socket::{SocketLink, SocketOutlet},
    template::Warmed,
};
use crate::wire::{BuildId, FromWorker, Hello, Launch, RuntimeSettings};

/// Serves as the worker process of a launch.
pub(super) fn serve(launch: &Launch, channels: Channels, warmed: Option<Warmed>) -> Result<(), String> {
    let build = super::build_id().map_err(|error| error.to_string())?;
    let _ = rustix::thread::set_name(c"oast-worker");
    let wanted = launch.runtime.build;
    if wanted != BuildId::default() && wanted != build {
        return Err("it is another build of the program than its host".to_owned());
    }
    if !launch.runtime.command.is_empty() {
        return Err(foreign::become_worker(launch, channels));
    }
    let limit = ByteSize(launch.message_limit);
    let page = Page::map(&channels.page).map_err(|error| error.to_string())?;
    // Code that had it could hold the file when the host wants to write.
    drop(channels.page);
    let control = Arc::new(channels.control);
    let outlet = SocketOutlet::new(control.clone(), page, limit).map_err(|error| error.to_string())?;
    let outlet = Arc::new(outlet);
    let interrupts = Arc::new(Interrupts::Shared(page));
    let host = Rc::new(WorkerHost::new(Rc::new(outlet.clone()), interrupts.clone()));
    let mut runtime = match warmed {
        Some(Warmed { runtime, host: later, .. }) => {
            later.set(host.clone());
            runtime
        }
        None => make_runtime(&launch.runtime, host.clone())?,
    };
    let capabilities = runtime.capabilities();
    outlet.say(FromWorker::Hello(Hello { runtime: launch.runtime.name.clone(), capabilities, build }));
    outlet.flush();
    let latency = if launch.low_latency { Latency::Low } else { Latency::Normal };
    let link = SocketLink::new(control, outlet.clone(), limit, latency);
    MainLoop::new(link, Rc::new(outlet), host, interrupts, &mut *runtime).run();
    Ok(())
}

pub(super) fn make_runtime(settings: &RuntimeSettings, host: Rc<dyn Host>) -> Result<Box<dyn Runtime>, String> {
    match settings.name.as_str() {
        "rust" => Ok(Box::new(Functions::new(host, settings.build).map_err(|error| error.to_string())?)),
        #[cfg(feature = "javascript")]
        "javascript" => make_javascript(&settings.javascript, host),
        other => Err(format!("there is no runtime `{other}` in this program")),
    }
}

/// Makes the runtime `javascript`, whose modules are found from where the process started.
#[cfg(feature = "javascript")]
pub(crate) fn make_javascript(
    settings: &crate::wire::JavaScript,
    host: Rc<dyn Host>,
) -> Result<Box<dyn Runtime>, String> {
    use super::javascript::{JavaScript, JavaScriptSettings};
    let stack = settings.stack.and_then(|stack| usize::try_from(stack).ok()).unwrap_or(DEFAULT_STACK);
    let directory = settings.modules.then(std::env::current_dir).transpose().map_err(|error| error.to_string())?;
    let settings = JavaScriptSettings { memory: settings.memory, stack, directory };
    Ok(Box::new(JavaScript::new(host, settings)?))
}

/// How much stack the engine uses where nothing is said.
#[cfg(feature = "javascript")]
const DEFAULT_STACK: usize = 1 << 20;
