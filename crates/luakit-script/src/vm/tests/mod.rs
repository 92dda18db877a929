//! The interpreter, run as `evaluate` runs it.

mod calls;
mod errors;
mod limits;
mod modules;
mod sandbox;
mod stack;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use luakit_diagnostic::{Colour, render};
use luakit_llb::Platform;

use crate::error::{Failure, ScriptError};
use crate::evaluation::{Input, Limits};
use crate::loader::{LoadError, Root, SourceLoader};

/// Files by root and path.
#[derive(Default)]
pub(super) struct Files(pub(super) Vec<(Root, String, Vec<u8>)>);

impl SourceLoader for Files {
    fn read(&self, root: Root, path: &str) -> Result<Option<Vec<u8>>, LoadError> {
        let found = self.0.iter().find(|(r, p, _)| *r == root && p == path);
        Ok(found.map(|(_, _, data)| data.clone()))
    }

    fn exists(&self, root: Root, path: &str) -> Result<bool, LoadError> {
        Ok(self.read(root, path)?.is_some())
    }

    fn glob(&self, _: Root, _: &str) -> Result<Vec<String>, LoadError> {
        Ok(Vec::new())
    }
}

pub(super) struct Run {
    pub(super) input: Input,
    printed: Arc<Mutex<String>>,
}

impl Run {
    pub(super) fn script(text: impl AsRef<[u8]>) -> Self {
        let printed = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&printed);
        let platform: Platform = "linux/amd64".parse().expect("a platform");
        let input = Input {
            script_name: "build.lua".to_owned(),
            script: text.as_ref().to_vec(),
            loader: Arc::new(Files::default()),
            args: BTreeMap::new(),
            contexts: crate::NamedContexts::default(),
            target_platform: platform.clone(),
            build_platform: platform,
            limits: Limits::default(),
            print: Arc::new(move |line| {
                let mut printed = sink.lock().expect("no test panicked");
                printed.push_str(line);
                printed.push('\n');
            }),
        };
        Self { input, printed }
    }

    /// With modules, in the script's directory unless they start with `context:`.
    pub(super) fn files(mut self, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| {
            let (root, path) = match path.strip_prefix("context:") {
                Some(path) => (Root::Context, path),
                None => (Root::Script, *path),
            };
            (root, path.to_owned(), text.as_bytes().to_vec())
        });
        self.input.loader = Arc::new(Files(files.collect()));
        self
    }

    /// What the script printed, and how it failed; a script that exports nothing did not.
    pub(super) fn run(self) -> (String, Option<Failure>) {
        let failure = super::evaluate(self.input).err();
        let failure = failure.filter(|f| !matches!(f.error, ScriptError::NoExport));
        let printed = self.printed.lock().expect("no test panicked").clone();
        (printed, failure)
    }

    /// What the script printed. It must not fail.
    pub(super) fn printed(self) -> String {
        let (printed, failure) = self.run();
        if let Some(failure) = failure {
            panic!("{printed}{}", render(&failure.diagnostic, Colour::Plain));
        }
        printed
    }

    pub(super) fn failure(self) -> Failure {
        let (printed, failure) = self.run();
        failure.unwrap_or_else(|| panic!("the script ran to its end: {printed}"))
    }

    /// The error as the user sees it.
    pub(super) fn error(self) -> String {
        render(&self.failure().diagnostic, Colour::Plain)
    }
}
