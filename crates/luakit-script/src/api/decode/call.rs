//! A call: its arguments decoded, and what its function needs besides.

use std::cell::{OnceCell, RefMut};

use luakit_diagnostic::nearest;
use luakit_llb::{Graph, Platform, StackId, State};
use mlua::{Lua, MultiValue, Value};

use super::arg::{Arg, FromArg, Options, convert};
use super::value::{Decoder, expected, state_of, type_name};
use super::{At, hint};
use crate::api::objects::MountSpec;
use crate::api::table::{Function, Param};
use crate::build::Build;
use crate::error::{CallError, Subject};

/// What a function gives back to Lua.
pub(in crate::api) enum Out {
    Nothing,
    State(State),
    Mount(MountSpec),
    Platform(Platform),
    Lua(Value),
}

/// A call whose arguments passed.
pub(in crate::api) struct Call<'a> {
    pub(in crate::api) lua: &'a Lua,
    pub(in crate::api) build: &'a Build,
    pub(in crate::api) function: &'static Function,
    pub(in crate::api) options: Options,
    receiver: Option<State>,
    args: Vec<Option<Arg>>,
    at: OnceCell<StackId>,
}

impl Call<'_> {
    /// The state that a method was called on.
    pub(in crate::api) fn receiver(&self) -> mlua::Result<State> {
        self.receiver
            .ok_or_else(|| mlua::Error::runtime("internal error: a function has no receiver"))
    }

    /// A required argument, from 0.
    pub(in crate::api) fn arg<T: FromArg>(&mut self, index: usize) -> mlua::Result<T> {
        self.optional(index)?
            .ok_or_else(|| mlua::Error::runtime("internal error: a required argument is missing"))
    }

    /// An argument that may be left out, from 0.
    pub(in crate::api) fn optional<T: FromArg>(&mut self, index: usize) -> mlua::Result<Option<T>> {
        match self.args.get_mut(index).and_then(Option::take) {
            Some(arg) => convert("an argument", arg).map(Some),
            None => Ok(None),
        }
    }

    /// All arguments of a variadic function.
    pub(in crate::api) fn rest(&mut self) -> Vec<Arg> {
        std::mem::take(&mut self.args).into_iter().flatten().collect()
    }

    /// An option.
    pub(in crate::api) fn option<T: FromArg>(&mut self, name: &str) -> mlua::Result<Option<T>> {
        self.options.take(name)
    }

    /// A yes or no, with what it is when it isn't given.
    pub(in crate::api) fn flag(&mut self, name: &str, default: bool) -> mlua::Result<bool> {
        Ok(self.option(name)?.unwrap_or(default))
    }

    /// A list, empty when it isn't given.
    pub(in crate::api) fn list<T>(&mut self, name: &str) -> mlua::Result<Vec<T>>
    where
        Vec<T>: FromArg,
    {
        Ok(self.option(name)?.unwrap_or_default())
    }

    /// Whether any option is given.
    pub(in crate::api) fn has_options(&self) -> bool {
        self.options.left().is_some()
    }

    /// The graph that the call adds to.
    pub(in crate::api) fn graph(&self) -> RefMut<'_, Graph> {
        self.build.graph.borrow_mut()
    }

    /// Counts what the call keeps outside Lua: a vertex, and so many bytes of text.
    pub(in crate::api) fn hold(&self, text: usize) -> mlua::Result<()> {
        const VERTEX: usize = 512;
        self.build.hold(self.lua, text + VERTEX)
    }

    /// Where the script made this call.
    pub(in crate::api) fn at(&self) -> StackId {
        *self.at.get_or_init(|| self.build.call_site(self.lua))
    }

    /// An error about this call.
    pub(in crate::api) fn error(&self, code: &'static str, message: impl Into<String>) -> CallError {
        CallError::new(code, message).in_function(self.function.name)
    }

    /// An error about an argument, from 0: its place, and what is wrong.
    pub(in crate::api) fn bad_arg(&self, index: usize, what: impl std::fmt::Display) -> CallError {
        let name = self.function.params.get(index).map_or("", |param| param.name);
        let at = At::Param(index + 1, name, self.function);
        self.error("bad-value", format!("{at} {what}")).about(at.subject())
    }

    /// An error about an option: its name, and what is wrong.
    pub(in crate::api) fn bad_option(&self, name: &str, what: impl std::fmt::Display) -> CallError {
        self.error("bad-value", format!("{name} {what}"))
            .about(Subject::OptionValue(name.to_owned()))
    }

    /// What nobody took, which would be an option that is accepted and does nothing.
    pub(in crate::api) fn unused(&self) -> Option<&'static str> {
        self.options.left()
    }
}

/// Checks a call and decodes it.
pub(in crate::api) fn decode_call<'a>(
    lua: &'a Lua,
    build: &'a Build,
    function: &'static Function,
    values: MultiValue,
) -> mlua::Result<Call<'a>> {
    let mut values = values.into_iter();
    let receiver = if function.is_method() {
        Some(receiver(function, values.next().as_ref())?)
    } else {
        None
    };
    let values: Vec<Value> = values.collect();
    if receiver.is_none() {
        refuse_colon(lua, function, values.first())?;
    }
    let mut decoder = Decoder::new(lua);
    let (args, options) = if function.variadic {
        (variadic(&mut decoder, function, values), Options::default())
    } else {
        positional(&mut decoder, function, values)
    };
    if let Some(error) = decoder.finish(function.name) {
        return Err(error.into());
    }
    Ok(Call {
        lua,
        build,
        function,
        options,
        receiver,
        args,
        at: OnceCell::new(),
    })
}

fn variadic(decoder: &mut Decoder<'_>, function: &'static Function, values: Vec<Value>) -> Vec<Option<Arg>> {
    let Some(param) = function.params.first() else {
        return Vec::new();
    };
    let decode = |(index, value)| decoder.value(&param.ty, &value, &At::Param(index + 1, param.name, function));
    values.into_iter().enumerate().map(decode).collect()
}

fn positional(
    decoder: &mut Decoder<'_>,
    function: &'static Function,
    values: Vec<Value>,
) -> (Vec<Option<Arg>>, Options) {
    let count = values.len();
    let most = function.params.len() + usize::from(function.options.is_some());
    let mut values = values.into_iter().peekable();
    let mut args = Vec::with_capacity(function.params.len());
    for (index, param) in function.params.iter().enumerate() {
        let at = At::Param(index + 1, param.name, function);
        match values.peek() {
            // The options may stand in the place of what can be left out: `bk.secret({ … })`.
            Some(Value::Table(_)) if param.optional && function.options.is_some() && index + 1 == count => {
                args.push(None);
            }
            None if param.optional => args.push(None),
            Some(Value::Nil) if param.optional => {
                values.next();
                args.push(None);
            }
            None => {
                decoder.push(missing(function, index, param, count));
                args.push(None);
            }
            Some(_) => {
                let value = values.next().unwrap_or(Value::Nil);
                args.push(decoder.value(&param.ty, &value, &at));
            }
        }
    }
    let mut options = Options::default();
    if let Some(record) = function.options {
        let index = args.len() + 1;
        match values.next() {
            None | Some(Value::Nil) => decoder.required(record, &[], &At::Option("options")),
            Some(Value::Table(table)) => options = decoder.options(function, record, &table),
            Some(other) => {
                let at = At::Param(index, "options", function);
                decoder.wrong(
                    &at,
                    "a table of options",
                    &other,
                    hint::not_options(function, record, &other),
                );
            }
        }
    }
    if values.next().is_some() {
        let plural = if most == 1 { "" } else { "s" };
        let mut error = CallError::new(
            "too-many-arguments",
            format!(
                "{} takes at most {most} argument{plural}, got {count}",
                function.shown()
            ),
        )
        .about(Subject::Argument(most + 1));
        if function.options.is_none() && most == 0 {
            error.hint = Some("it takes no options".to_owned());
        }
        decoder.push(error);
    }
    (args, options)
}

fn missing(function: &Function, index: usize, param: &Param, count: usize) -> CallError {
    let names: Vec<&str> = function.params.iter().filter(|p| !p.optional).map(|p| p.name).collect();
    CallError::new(
        "missing-argument",
        format!(
            "{} needs argument {} ({}): {}, got {count} argument{}",
            function.shown(),
            index + 1,
            param.name,
            expected(&param.ty),
            if count == 1 { "" } else { "s" },
        ),
    )
    .hint(format!("it takes {}", names.join(", ")))
}

/// The state that a method is called on.
fn receiver(function: &'static Function, value: Option<&Value>) -> mlua::Result<State> {
    if let Some(state) = value.and_then(state_of) {
        return Ok(state);
    }
    let name = function.name;
    let got = value.map_or("nothing", type_name);
    Err(CallError::new(
        "wrong-receiver",
        format!("{name}() must be called on a state with `:`, got {got} in the state's place"),
    )
    .in_function(name)
    .hint(format!("write `state:{name}(…)`, not `state.{name}(…)`"))
    .into())
}

/// `bk:image("x")` passes `bk` as the first argument.
fn refuse_colon(lua: &Lua, function: &'static Function, first: Option<&Value>) -> mlua::Result<()> {
    let Some(Value::Table(table)) = first else {
        return Ok(());
    };
    if !crate::api::is_module(lua, table) {
        return Ok(());
    }
    let shown = function.shown();
    let path = shown.trim_end_matches("()");
    Err(CallError::new(
        "wrong-receiver",
        format!("{shown} must be called with `.`, not with `:`"),
    )
    .in_function(function.name)
    .hint(format!("write `{path}(…)`"))
    .into())
}

/// An error for a name that an object or `bk` does not have.
pub(in crate::api) fn unknown_name<'a>(
    what: &str,
    key: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    shown: impl Fn(&str) -> String,
) -> CallError {
    let mut message = format!("{what} has no `{key}`");
    let hint = hint::elsewhere(what, key);
    if let Some(near) = nearest(key, known).filter(|_| hint.is_none()) {
        message = format!("{message}; did you mean `{}`?", shown(near));
    }
    let mut error = CallError::new("unknown-name", message).about(Subject::Field(key.to_owned()));
    error.hint = hint;
    error
}
