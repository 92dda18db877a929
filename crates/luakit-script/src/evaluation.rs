//! What goes into an evaluation, and what comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use luakit_diagnostic::Diagnostic;
use luakit_llb::{ConfigOverlay, Graph, Platform, StackId, State};

use crate::context::NamedContexts;
use crate::loader::SourceLoader;

/// What a script is evaluated with.
pub struct Input {
    /// The script's name as the user gave it, relative where it can be: it goes into source maps.
    pub script_name: String,
    /// The script's text.
    pub script: Vec<u8>,
    /// Modules and the build context.
    pub loader: Arc<dyn SourceLoader>,
    /// Build arguments by name.
    pub args: BTreeMap<String, String>,
    /// What takes the place of images and local directories.
    pub contexts: NamedContexts,
    /// What is built for.
    pub target_platform: Platform,
    /// What the engine's machine is.
    pub build_platform: Platform,
    /// What the script may use.
    pub limits: Limits,
    /// Where `print` goes.
    pub print: Print,
}

/// Takes each line that a script prints, without its end.
pub type Print = Arc<dyn Fn(&str) + Send + Sync>;

/// What a script may use before it is stopped.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Wall time.
    pub timeout: Duration,
    /// Bytes of memory, Lua's and what is kept outside it; 0 is no limit.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            memory: 512 << 20,
        }
    }
}

/// What a script described.
pub struct Evaluation {
    /// Every vertex that the script made, reachable from an export or not.
    pub graph: Graph,
    /// What it exported, in order. One for each (name, platform).
    pub exports: Vec<Export>,
    /// The arguments that it asked for, in order of the first ask.
    pub args: Vec<ArgDeclaration>,
    /// Whether the outcome may depend on the target platform: the script read it.
    pub reads_target_platform: bool,
    /// What is odd about the script, though it ran.
    pub warnings: Vec<Diagnostic>,
}

/// One `bk.export`.
pub struct Export {
    /// The target's name; `None` is the default target.
    pub name: Option<String>,
    /// The platform that the script gave the export or its state.
    pub platform: Option<Platform>,
    /// The platform of images without one of their own: the export's, or its state's image's. What
    /// `state:platform()` says is for runs.
    pub images: Option<Platform>,
    /// What is exported.
    pub state: State,
    /// What the image's config says beyond the state's own.
    pub config: ConfigOverlay,
    /// What the target is for, shown where targets are listed.
    pub description: Option<String>,
    /// Where.
    pub at: StackId,
}

/// One `bk.arg`.
pub struct ArgDeclaration {
    /// Its name.
    pub name: String,
    /// What it is when it isn't given.
    pub default: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// What it may be; empty is anything.
    pub choices: Vec<String>,
    /// Whether it must be given.
    pub required: bool,
    /// Where it was first asked for.
    pub at: StackId,
}
