//! Everything that can end an evaluation, as data.
//!
//! The functions of `bk` raise [`CallError`]; the interpreter adds the rest. `vm::report` turns whichever
//! came out of Lua into a [`Failure`]: the error, and the diagnostic that tells it.

use std::fmt;

use luakit_diagnostic::Diagnostic;
use luakit_llb::StackId;

use crate::loader::LoadError;

/// What is wrong with a call of the `bk` API. It is raised in Lua, so a script may catch it, and then it
/// reads as its message.
#[derive(Debug, Clone)]
pub struct CallError {
    /// What kind of thing, in kebab case (`unknown-option`).
    pub code: &'static str,
    /// What is wrong, on one line: lower case, no final period.
    pub message: String,
    /// The function as the script calls it, without what is before the last `.` or `:` (`image`, `run`).
    pub function: Option<String>,
    /// What of the call is wrong.
    pub subject: Subject,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Other places that matter, and what is there.
    pub related: Vec<(StackId, String)>,
    /// Whether the script has a password in it there. Then the lines are shown with their texts hidden.
    pub confidential: bool,
    /// Why a file can't be read, where that is what is wrong.
    pub unread: Option<LoadError>,
}

/// The part of a call that an error is about. It is underlined where it can be found without doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The whole call.
    Call,
    /// An argument, from 1; the state that a method is called on is not counted.
    Argument(usize),
    /// The name of an option, as the script wrote it.
    OptionName(String),
    /// The value of an option.
    OptionValue(String),
    /// What a table holds that is an argument, an option's value or itself in a table.
    Inside(Box<Self>, Step),
    /// The name of a key of such a table, as the script wrote it.
    KeyName(Box<Self>, String),
    /// A field or method that was asked for and isn't there (`bk.imgae`, `state:rnu`).
    Field(String),
}

/// A way from a table to what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An element of a list, from 1.
    Element(usize),
    /// The value of a key.
    Key(String),
}

impl Subject {
    /// An element, from 1, of the list that this is.
    pub fn element(self, index: usize) -> Self {
        Self::Inside(Box::new(self), Step::Element(index))
    }

    /// The value of a key of the table that this is.
    pub fn value_of(self, key: impl Into<String>) -> Self {
        Self::Inside(Box::new(self), Step::Key(key.into()))
    }

    /// The name of a key of the table that this is.
    pub fn name_of(self, key: impl Into<String>) -> Self {
        Self::KeyName(Box::new(self), key.into())
    }
}

impl CallError {
    /// An error about a whole call.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            function: None,
            subject: Subject::Call,
            notes: Vec::new(),
            hint: None,
            related: Vec::new(),
            confidential: false,
            unread: None,
        }
    }

    /// Says what function was called.
    pub fn in_function(mut self, function: impl Into<String>) -> Self {
        self.function = Some(function.into());
        self
    }

    /// Says what of the call is wrong.
    pub fn about(mut self, subject: Subject) -> Self {
        self.subject = subject;
        self
    }

    /// Says which part of its subject is wrong.
    pub fn within(mut self, part: impl FnOnce(Subject) -> Subject) -> Self {
        self.subject = part(self.subject);
        self
    }

    /// Says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what else there is to know.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says that the call was given a password, which is to be in no log.
    pub fn confidential(mut self) -> Self {
        self.confidential = true;
        self
    }

    /// Shows another place.
    pub fn related(mut self, at: StackId, text: impl Into<String>) -> Self {
        self.related.push((at, text.into()));
        self
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CallError {}

impl From<CallError> for mlua::Error {
    fn from(error: CallError) -> Self {
        Self::external(error)
    }
}

/// A limit that a script hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Wall time.
    #[error("the script ran for more than {}", Seconds(*.0))]
    Time(std::time::Duration),
    /// Memory, in bytes.
    #[error("the script needs more than {} of memory", Mebibytes(*.0))]
    Memory(usize),
    /// Different files and patterns that a loader is asked for.
    #[error("the script asks for more than {0} files and patterns")]
    Reads(usize),
    /// Time that a loader waits for others.
    #[error("the script waited for files for more than {}", Seconds(*.0))]
    Waiting(std::time::Duration),
}

struct Seconds(std::time::Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}

struct Mebibytes(usize);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1 << 20) {
            write!(f, "{} MiB", self.0 >> 20)
        } else {
            write!(f, "{} bytes", self.0)
        }
    }
}

/// Why `require` gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// The name leads out of where modules are.
    #[error("module `{name}` is outside the script's directory and the context")]
    Outside {
        /// The name as given.
        name: String,
    },
    /// The name is no module's name.
    #[error("`{name}` is not a module name")]
    Malformed {
        /// The name as given.
        name: String,
    },
    /// There is no such file.
    #[error("module `{name}` not found")]
    NotFound {
        /// The name as given.
        name: String,
        /// Every path tried, in order, and where.
        tried: Vec<String>,
    },
    /// It requires itself.
    #[error("module `{name}` requires itself")]
    Circular {
        /// The name as given.
        name: String,
        /// The files from the first load to the second.
        cycle: Vec<String>,
    },
    /// There is a file, and it can't be read.
    #[error("module `{name}`: {error}")]
    Unreadable {
        /// The name as given.
        name: String,
        /// Why.
        error: LoadError,
    },
}

/// Why an evaluation ended without a result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ScriptError {
    /// A file of the script is no Lua.
    #[error("{message}")]
    Syntax {
        /// What the parser says, without the place.
        message: String,
    },
    /// Lua raised an error, or the script called `error`.
    #[error("{message}")]
    Runtime {
        /// The error's value as text, without the place.
        message: String,
    },
    /// Calls are nested too deeply.
    #[error("too many nested calls: stack overflow")]
    Recursion,
    /// A call of the API is wrong.
    #[error(transparent)]
    Call(Box<CallError>),
    /// A limit was hit.
    #[error(transparent)]
    Limit(Limit),
    /// A module can't be loaded.
    #[error(transparent)]
    Module(ModuleError),
    /// A file can't be read.
    #[error(transparent)]
    Load(LoadError),
    /// The script exports nothing.
    #[error("no bk.export() call — nothing to build")]
    NoExport,
    /// The interpreter could not be started.
    #[error("the interpreter could not be started: {0}")]
    Start(String),
    /// The interpreter's thread broke down: a defect of Luakit.
    #[error("the interpreter broke down")]
    Interpreter,
}

/// An evaluation that ended without a result: why, and how to tell it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Why.
    pub error: ScriptError,
    /// How to tell it. It holds the sources that it points into.
    pub diagnostic: Box<Diagnostic>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
