//! Call stacks: where in the script's own text Lua stands.
//!
//! Frames of Rust functions and of the interpreter's own Lua are left out. Each call of a chain that
//! spans lines has the line of its own method name, which is what Luau records.

use luakit_llb::{Frame, StackId};
use mlua::Lua;

use crate::build::Build;

/// Frames kept of a deep stack: the innermost ones. A definition's source map needs no more.
const DEEPEST: usize = 64;

/// The present call stack, interned in the build's graph.
pub(crate) fn call_site(build: &Build, lua: &Lua) -> StackId {
    let mut graph = build.graph.borrow_mut();
    let mut chunks = build.chunks.borrow_mut();
    let mut frames = Vec::with_capacity(4);
    let mut level = 0;
    while frames.len() < DEEPEST {
        let seen = lua.inspect_stack(level, |debug| {
            let line = debug.current_line().and_then(|line| u32::try_from(line).ok())?;
            let source = debug.source();
            let name = source.source.as_deref()?.strip_prefix('=')?;
            let file = chunks.file(name, &mut graph)?;
            Some(Frame { file, line })
        });
        let Some(frame) = seen else { break };
        frames.extend(frame);
        level += 1;
    }
    graph.intern_stack(&frames)
}
