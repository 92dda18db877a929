//! What the functions of one evaluation share.
//!
//! Lua holds it as app data: `lua.app_data_ref::<Rc<Build>>()`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use luakit_diagnostic::Diagnostic;
use luakit_llb::{Graph, Platform, StackId, State};
use mlua::Lua;

use crate::error::Limit;
use crate::evaluation::{ArgDeclaration, Export, Input};
use crate::loader::LoadError;
use crate::vm::chunks::Chunks;

/// The evaluation under way. `api` fills it, `vm` owns its beginning and end.
pub(crate) struct Build {
    pub(crate) input: Input,
    pub(crate) graph: RefCell<Graph>,
    pub(crate) exports: RefCell<Vec<Export>>,
    pub(crate) args: RefCell<Vec<ArgDeclaration>>,
    pub(crate) warnings: RefCell<Vec<Diagnostic>>,
    /// Whether the script read the target platform.
    pub(crate) reads_target_platform: Cell<bool>,
    /// The names of the arguments that were asked for, declared or not.
    pub(crate) args_read: RefCell<BTreeSet<String>>,
    /// The normalised names that contexts were looked up by, where there are any.
    pub(crate) contexts_asked: RefCell<BTreeSet<String>>,
    /// The states of inputs that were taken, by the normalised names of their contexts and the platform that was asked for.
    pub(crate) inputs: RefCell<BTreeMap<(String, Option<Platform>), State>>,
    /// The texts that Lua code was made of.
    pub(crate) chunks: RefCell<Chunks>,
    /// Bytes held outside Lua on the script's behalf; they count against its memory limit.
    held: Cell<usize>,
    /// The limit that was hit. Once set, every piece of Lua that runs is ended by it.
    limit_hit: Cell<Option<Limit>>,
}

impl Build {
    pub(crate) fn new(input: Input) -> Rc<Self> {
        Rc::new(Self {
            input,
            graph: RefCell::default(),
            exports: RefCell::default(),
            args: RefCell::default(),
            warnings: RefCell::default(),
            reads_target_platform: Cell::new(false),
            args_read: RefCell::default(),
            contexts_asked: RefCell::default(),
            inputs: RefCell::default(),
            chunks: RefCell::default(),
            held: Cell::new(0),
            limit_hit: Cell::new(None),
        })
    }

    /// The build that a Lua state belongs to.
    pub(crate) fn of(lua: &Lua) -> mlua::Result<Rc<Self>> {
        match lua.app_data_ref::<Rc<Self>>() {
            Some(build) => Ok(Rc::clone(&build)),
            None => Err(mlua::Error::runtime("no build is under way")),
        }
    }

    /// The script's call stack at this moment, innermost frame first, interned.
    pub(crate) fn call_site(&self, lua: &Lua) -> StackId {
        crate::vm::stack::call_site(self, lua)
    }

    /// A build argument's value, given or predefined. That it was asked for is remembered.
    pub(crate) fn arg(&self, name: &str) -> Option<String> {
        if !self.args_read.borrow().contains(name) {
            self.args_read.borrow_mut().insert(name.to_owned());
        }
        if let Some(value) = self.input.args.get(name) {
            return Some(value.clone());
        }
        let value = crate::api::predefined_arg(self, name)?;
        if name.starts_with("TARGET") {
            self.reads_target_platform.set(true);
        }
        Some(value)
    }

    /// Counts bytes that are kept outside Lua (a copied string, a vertex) against the memory limit: Lua has
    /// that much less. Call it before keeping them; the error ends the script.
    pub(crate) fn hold(&self, lua: &Lua, bytes: usize) -> mlua::Result<()> {
        let held = self.held.get().saturating_add(bytes);
        self.held.set(held);
        let limit = self.input.limits.memory;
        match limit.checked_sub(held) {
            Some(rest) if lua.used_memory() < rest => lua.set_memory_limit(rest).map(|_| ()),
            _ => Err(self.hit(Limit::Memory(limit))),
        }
    }

    /// Marks a limit as hit, for good: the first one stays. The error is what to raise.
    pub(crate) fn hit(&self, limit: Limit) -> mlua::Error {
        let first = self.limit_hit.get().unwrap_or(limit);
        self.limit_hit.set(Some(first));
        mlua::Error::external(first)
    }

    /// Marks the limit that a loader hit, if that is why it can't read.
    pub(crate) fn hit_by(&self, error: &LoadError) {
        if let LoadError::Limit(limit) = error {
            let _raised = self.hit(*limit);
        }
    }

    /// The limit that was hit.
    pub(crate) fn limit_hit(&self) -> Option<Limit> {
        self.limit_hit.get()
    }
}
