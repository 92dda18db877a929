//! The sandboxed interpreter.

pub(crate) mod chunks;
pub(crate) mod stack;

use luakit_diagnostic::Diagnostic;
use mlua::{Lua, LuaOptions, StdLib};

use crate::api;
use crate::build::Build;
use crate::error::{CallError, Failure, ScriptError};
use crate::evaluation::{Evaluation, Input};

/// Runs a script once.
pub fn evaluate(input: Input) -> Result<Evaluation, Failure> {
    let build = Build::new(input);
    let run = || -> mlua::Result<()> {
        let lua = Lua::new_with(
            StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::COROUTINE,
            LuaOptions::new(),
        )?;
        lua.set_app_data(build.clone());
        api::install(&lua, &build, &lua.globals())?;
        let text = build.input.script.clone();
        let name = build
            .chunks
            .borrow_mut()
            .add(&build.input.script_name, text.clone().into());
        let result = lua.load(text).set_name(format!("={name}")).exec();
        lua.remove_app_data::<std::rc::Rc<Build>>();
        result
    };
    let fail = |error: ScriptError, diagnostic| Failure {
        error,
        diagnostic: Box::new(diagnostic),
    };
    if let Err(error) = run() {
        if let Some(call) = error.downcast_ref::<CallError>() {
            let mut diagnostic = Diagnostic::error(call.code, call.message.clone());
            diagnostic.notes.clone_from(&call.notes);
            diagnostic.hint.clone_from(&call.hint);
            return Err(fail(ScriptError::Call(call.clone()), diagnostic));
        }
        let message = error.to_string();
        let diagnostic = Diagnostic::error("runtime", message.clone());
        return Err(fail(ScriptError::Runtime { message }, diagnostic));
    }
    if build.exports.borrow().is_empty() {
        let error = ScriptError::NoExport;
        let diagnostic = Diagnostic::error("no-export", error.to_string());
        return Err(fail(error, diagnostic));
    }
    api::warn_unread(&build);
    Ok(Evaluation {
        graph: build.graph.take(),
        exports: build.exports.take(),
        args: build.args.take(),
        reads_target_platform: build.reads_target_platform.get(),
        warnings: build.warnings.take(),
    })
}
