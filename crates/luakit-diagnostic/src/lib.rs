//! Spans, source files and diagnostics as data, and their rendering.
//!
//! Whoever finds something wrong in a script, or on its behalf, describes it as a [`Diagnostic`]; whoever
//! owns the terminal calls [`render()`]. A script error and a failed build step are both told this way, so
//! that they look alike. [`nearest()`] finds the name that was probably meant.
//!
//! This crate knows nothing of Lua or BuildKit, reads no files and prints nothing.

mod diagnostic;
mod nearest;
mod render;
mod source;

pub use diagnostic::{Diagnostic, Label, Severity, TraceFrame};
pub use nearest::nearest;
pub use render::{Colour, acts_on_text, render, render_without_source};
pub use source::{SourceFile, Span};
