//! Scripts in, graphs and errors out.

mod behaviour;
mod contexts;
mod errors;
mod table;
mod warnings;

use std::collections::BTreeMap;
use std::sync::Arc;

use luakit_llb::Platform;

use crate::loader::{LoadError, Root, SourceLoader};
use crate::{Evaluation, Input, Limits, evaluate};

/// A build context in memory. Patterns are exact paths or end in `*`.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl SourceLoader for Files {
    fn read(&self, _: Root, path: &str) -> Result<Option<Vec<u8>>, LoadError> {
        if path.starts_with("..") {
            return Err(LoadError::Outside {
                path: path.to_owned(),
                root: "the build context",
            });
        }
        Ok(self.0.get(path).cloned())
    }

    fn exists(&self, root: Root, path: &str) -> Result<bool, LoadError> {
        self.read(root, path).map(|data| data.is_some())
    }

    fn glob(&self, _: Root, pattern: &str) -> Result<Vec<String>, LoadError> {
        let start = pattern.trim_end_matches('*');
        Ok(self
            .0
            .keys()
            .rev()
            .filter(|path| path.starts_with(start))
            .cloned()
            .collect())
    }
}

fn input(script: &str) -> Input {
    Input {
        script_name: "build.lua".to_owned(),
        script: script.as_bytes().to_vec(),
        loader: Arc::new(Files::default()),
        args: BTreeMap::new(),
        contexts: crate::NamedContexts::default(),
        target_platform: "linux/arm64".parse().unwrap(),
        build_platform: Platform::linux_amd64(),
        limits: Limits::default(),
        print: Arc::new(|_| {}),
    }
}

fn run(input: Input) -> Evaluation {
    match evaluate(input) {
        Ok(evaluation) => evaluation,
        Err(failure) => panic!("{}: {:?}", failure.diagnostic.message, failure.diagnostic.hint),
    }
}

fn evaluate_with(files: Files, script: &str) -> Evaluation {
    run(Input {
        loader: Arc::new(files),
        ..input(script)
    })
}
