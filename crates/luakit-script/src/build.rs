//! What the functions of one evaluation share.

use std::cell::RefCell;

use luakit_llb::{Graph, StackId};
use mlua::Lua;

use crate::evaluation::{ArgDeclaration, Export, Input};

/// The evaluation under way. `api` fills it, `vm` owns its beginning and end.
pub(crate) struct Build {
    pub(crate) input: Input,
    pub(crate) graph: RefCell<Graph>,
    pub(crate) exports: RefCell<Vec<Export>>,
    pub(crate) args: RefCell<Vec<ArgDeclaration>>,
}

impl Build {
    /// The script's call stack at this moment, innermost frame first, interned.
    pub(crate) fn call_site(&self, lua: &Lua) -> StackId {
        crate::vm::stack::call_site(self, lua)
    }
}
