//! How a diagnostic looks.

use crate::diagnostic::Diagnostic;

/// Whether the text carries terminal escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Plain,
    /// ANSI escapes.
    Ansi,
}

/// The diagnostic as text that ends in a line end.
pub fn render(diagnostic: &Diagnostic, _colour: Colour) -> String {
    format!("error[{}]: {}\n", diagnostic.code, diagnostic.message)
}
