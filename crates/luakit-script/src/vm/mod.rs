//! The sandboxed interpreter: libraries, limits, modules, call stacks, and how errors are told.
//!
//! The script runs on a thread of its own, with a stack that holds the deepest nesting which Luau allows.
//! The caller's thread is the clock: it raises a flag when the time is up, and every piece of Lua that
//! runs looks at the flag. The `bk` functions are `api`'s; this room knows only where to install them.

pub(crate) mod chunks;
mod clock;
mod forbidden;
mod hidden;
mod lexer;
mod locate;
mod loops;
mod modules;
mod raised;
mod random;
mod report;
mod sandbox;
pub(crate) mod stack;
#[cfg(test)]
mod tests;
mod text;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mlua::{Lua, Value, VmState};

use crate::api;
use crate::build::Build;
use crate::error::{Failure, Limit, ScriptError};
use crate::evaluation::{Evaluation, Input};

/// Address space, not memory: pages that are never touched cost nothing.
const STACK: usize = 256 << 20;
/// Lua ends within moments of the flag. A single call of a C library function that takes longer (a plain
/// search in a giant string) is left behind on its thread.
const GRACE: Duration = Duration::from_secs(1);

/// Runs a script once.
///
/// # Errors
/// A [`Failure`] says why there is no result, and carries all that is needed to show it.
pub fn evaluate(input: Input) -> Result<Evaluation, Failure> {
    let timeout = input.limits.timeout;
    let script_name = input.script_name.clone();
    let loader = Arc::clone(&input.loader);
    let time_up = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&time_up);
    let (send, receive) = mpsc::channel();
    let spawned = thread::Builder::new()
        .name("luakit-script".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            let (result, lua) = run(input, flag);
            // The receiver may have given up; and taking Lua's memory down may take a while.
            let _ = send.send(result);
            drop(lua);
        });
    if let Err(error) = spawned {
        return Err(report::bare(ScriptError::Start(error.to_string())));
    }
    let started = Instant::now();
    loop {
        // What the loader waits for others is not the script's time.
        let left = timeout
            .saturating_add(loader.waited())
            .saturating_sub(started.elapsed());
        match receive.recv_timeout(left) {
            Ok(result) => return result,
            Err(mpsc::RecvTimeoutError::Timeout) if started.elapsed() < timeout.saturating_add(loader.waited()) => {}
            Err(mpsc::RecvTimeoutError::Timeout) => break,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(report::bare(ScriptError::Interpreter)),
        }
    }
    time_up.store(true, Ordering::Relaxed);
    match receive.recv_timeout(GRACE) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(report::out_of_time(&script_name, timeout)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(report::bare(ScriptError::Interpreter)),
    }
}

/// The script's thread. Lua is handed back so that its end need not be waited for.
fn run(mut input: Input, time_up: Arc<AtomicBool>) -> (Result<Evaluation, Failure>, Option<Lua>) {
    if input.limits.memory == 0 {
        input.limits.memory = usize::MAX >> 1;
    }
    let build = Build::new(input);
    let (lua, run) = match sandbox::create(&build) {
        Ok(created) => created,
        Err(error) => return (Err(report::bare(ScriptError::Start(error.to_string()))), None),
    };
    watch(&lua, &build, time_up);
    let result = match run_script(&lua, &build, &run) {
        None => finish(&build),
        Some(raised) => Err(report::failure(&lua, &build, &raised)),
    };
    lua.remove_interrupt();
    (result, Some(lua))
}

fn watch(lua: &Lua, build: &Rc<Build>, time_up: Arc<AtomicBool>) {
    let build = Rc::clone(build);
    lua.set_interrupt(move |_| {
        if time_up.load(Ordering::Relaxed) {
            return Err(build.hit(Limit::Time(build.input.limits.timeout)));
        }
        match build.limit_hit() {
            Some(limit) => Err(build.hit(limit)),
            None => Ok(VmState::Continue),
        }
    });
}

/// Runs the script to its end, or to what it raised.
fn run_script(lua: &Lua, build: &Rc<Build>, run: &mlua::Function) -> Option<raised::Raised> {
    let limit = build.input.limits.memory;
    let outcome = (|| {
        let data: Arc<[u8]> = build.input.script.as_slice().into();
        let script = text::file(lua, build, &build.input.script_name, &data)?;
        lua.set_memory_limit(limit)?;
        run.call::<(bool, Value)>(script)
    })();
    // From here on, memory is needed to tell what happened.
    let _ = lua.set_memory_limit(0);
    // The error as it was seen with the stack still standing. A limit is raised again right after.
    let seen = lua
        .app_data_ref::<Rc<raised::Store>>()
        .and_then(|store| store.raised.borrow_mut().take());
    let cause = match outcome {
        Ok((true, _)) => None,
        Ok((false, value)) => Some(raised::cause_of_value(build, &value)),
        Err(error) => Some(raised::cause_of(build, &error)),
    };
    let raised = cause.map(|cause| {
        seen.unwrap_or(raised::Raised {
            cause,
            frames: Vec::new(),
        })
    });
    // A limit tells itself, whatever the script made of it.
    match build.limit_hit() {
        None => raised,
        Some(limit) => Some(raised::Raised {
            cause: raised::Cause::Limit(limit),
            frames: raised.map(|raised| raised.frames).unwrap_or_default(),
        }),
    }
}

fn finish(build: &Build) -> Result<Evaluation, Failure> {
    if build.exports.borrow().is_empty() {
        return Err(report::no_export(build));
    }
    api::warn_unread(build);
    api::warn_unused_contexts(build);
    api::warn_lost(build);
    Ok(Evaluation {
        graph: build.graph.take(),
        exports: build.exports.take(),
        args: build.args.take(),
        reads_target_platform: build.reads_target_platform.get(),
        warnings: build.warnings.take(),
    })
}
