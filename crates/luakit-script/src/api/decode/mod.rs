//! The one strict decoder: what Lua passed, checked against the table and turned into Rust values.
//!
//! It reads raw values, calls no metamethod, and finds all of a call's errors before the function runs. The
//! order in which Lua walks a table never shows: options are decoded in the table's order, maps are sorted.

mod arg;
mod call;
mod hint;
mod tables;
mod text;
mod value;

pub(super) use arg::{Arg, FromArg, Options};
pub(super) use call::{Call, Out, decode_call, unknown_name};
pub(super) use text::{number_text, quoted};
pub(super) use value::{clean, platform_hint, type_name};

use std::fmt;

use super::table::Function;
use crate::error::{CallError, Subject};

/// Where in a call a value stands.
#[derive(Debug, Clone, Copy)]
enum At<'a> {
    /// An argument by position, from 1, with its name and the function's.
    Param(usize, &'a str, &'a Function),
    /// An option, as the script spelt it.
    Option(&'a str),
    /// An element of a list, from 1.
    Index(&'a At<'a>, usize),
    /// A value by its key.
    Key(&'a At<'a>, &'a str),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(index, name, function) => write!(f, "argument {index} ({name}) of {}", function.shown()),
            Self::Option(name) => f.write_str(name),
            Self::Index(of, index) => {
                of.inside(f)?;
                write!(f, "[{index}]")
            }
            Self::Key(of, key) => {
                of.inside(f)?;
                if is_name(key) {
                    write!(f, ".{key}")
                } else {
                    write!(f, "[{}]", quoted(key))
                }
            }
        }
    }
}

impl At<'_> {
    /// The part before an index or a key: an argument's name alone.
    fn inside(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(_, name, _) => f.write_str(name),
            other => write!(f, "{other}"),
        }
    }

    fn subject(&self) -> Subject {
        match self {
            Self::Param(index, ..) => Subject::Argument(*index),
            Self::Option(name) => Subject::OptionValue((*name).to_owned()),
            Self::Index(of, index) => of.subject().element(*index),
            Self::Key(of, key) => of.subject().value_of(*key),
        }
    }
}

fn is_name(key: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !key.is_empty() && key.bytes().all(word) && !key.starts_with(|c: char| c.is_ascii_digit())
}

/// The errors of one call, in the order found.
#[derive(Debug, Default)]
struct Problems(Vec<CallError>);

impl Problems {
    fn push(&mut self, error: CallError) {
        self.0.push(error);
    }

    /// `at` and what is wrong there.
    fn add(&mut self, code: &'static str, at: &At<'_>, what: fmt::Arguments<'_>, hint: Option<String>) {
        let mut error = CallError::new(code, format!("{at} {what}")).about(at.subject());
        error.hint = hint;
        self.push(error);
    }

    /// The first error, with the others as notes.
    fn into_error(self, function: &str) -> Option<CallError> {
        let mut problems = self.0.into_iter();
        let mut first = problems.next()?.in_function(function);
        for other in problems {
            first.confidential |= other.confidential;
            let hint = other.hint.filter(|hint| first.hint.as_ref() != Some(hint));
            first.notes.push(match hint {
                Some(hint) => format!("also: {} ({hint})", other.message),
                None => format!("also: {}", other.message),
            });
        }
        Some(first)
    }
}
