//! What the prelude's functions describe, and how they complain.

mod calls;
mod errors;
mod shell;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use luakit_diagnostic::{Colour, render};
use luakit_llb::{Pins, Platform, image_config, marshal};
use luakit_proto::Message as _;
use luakit_proto::pb::{self, file_action::Action, op::Op};
use sha2::{Digest as _, Sha256};

use crate::loader::{LoadError, Root, SourceLoader};
use crate::{Evaluation, Input, Limits, evaluate};

struct NoFiles;

impl SourceLoader for NoFiles {
    fn read(&self, _: Root, _: &str) -> Result<Option<Vec<u8>>, LoadError> {
        Ok(None)
    }

    fn exists(&self, _: Root, _: &str) -> Result<bool, LoadError> {
        Ok(false)
    }

    fn glob(&self, _: Root, _: &str) -> Result<Vec<String>, LoadError> {
        Ok(Vec::new())
    }
}

fn input(body: &str) -> Input {
    let script = format!("local prelude = require(\"prelude\")\n{body}\n");
    Input {
        script_name: "build.lua".to_owned(),
        script: script.into_bytes(),
        loader: Arc::new(NoFiles),
        args: BTreeMap::new(),
        contexts: crate::NamedContexts::default(),
        target_platform: Platform::linux_amd64(),
        build_platform: Platform::linux_amd64(),
        limits: Limits::default(),
        print: Arc::new(|_| {}),
    }
}

fn evaluated(body: &str) -> Evaluation {
    match evaluate(input(body)) {
        Ok(evaluation) => evaluation,
        Err(failure) => panic!("{}", render(&failure.diagnostic, Colour::Plain)),
    }
}

/// The error of a script, as the user sees it.
fn error(body: &str) -> String {
    match evaluate(input(body)) {
        Ok(_) => panic!("no error: {body}"),
        Err(failure) => render(&failure.diagnostic, Colour::Plain),
    }
}

/// The first line of a script's error.
fn message(body: &str) -> String {
    match evaluate(input(body)) {
        Ok(_) => panic!("no error: {body}"),
        Err(failure) => failure.diagnostic.message.clone(),
    }
}

/// What an expression that gives a state describes: each op's own words, in order, then the image's config.
fn described(expression: &str) -> String {
    let evaluation = evaluated(&format!(
        "local base, src = bk.image(\"base\"), bk.local_(\"context\")\nbk.export({expression})"
    ));
    let export = evaluation.exports.first().expect("an export");
    let (platform, pins) = (Platform::linux_amd64(), Pins::default());
    let options = marshal::Options {
        platform: &platform,
        pins: &pins,
        local_unique: "",
        context_excludes: &[],
        run_defaults: None,
        no_cache: marshal::NoCache::AsWritten,
        resolve_mode: luakit_llb::op::ResolveMode::Default,
    };
    let definition = marshal::marshal(&evaluation.graph, export.state, &options);
    let mut digests: Vec<String> = Vec::new();
    let mut out = String::new();
    for bytes in &definition.message().def {
        let op = pb::Op::decode(bytes.as_slice()).expect("an op");
        let inputs: Vec<usize> = op
            .inputs
            .iter()
            .map(|input| {
                digests
                    .iter()
                    .position(|digest| *digest == input.digest)
                    .expect("an op before this one")
            })
            .collect();
        if let Some(op) = &op.op {
            let _ = writeln!(out, "{}: {}", digests.len(), operation(op, &inputs));
        }
        digests.push(format!("sha256:{}", hex::encode(Sha256::digest(bytes))));
    }
    let config = image_config::compose(&evaluation.graph, export.state, &export.config, &platform, None, &pins);
    let config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
    let _ = write!(out, "config: {}", config["config"]);
    out
}

fn operation(op: &Op, inputs: &[usize]) -> String {
    let input = |index: i64| {
        let op = usize::try_from(index).ok().and_then(|index| inputs.get(index));
        op.map_or_else(|| "scratch".to_owned(), ToString::to_string)
    };
    match op {
        Op::Source(source) => source.identifier.clone(),
        Op::Exec(exec) => {
            let meta = exec.meta.as_ref().expect("a process");
            let mut out = format!("{} run {:?}", inputs[0], meta.args);
            let env = meta.env.iter().filter(|var| !var.starts_with("PATH=/usr/local/sbin:"));
            for var in env {
                let _ = write!(out, "\n     {var}");
            }
            for (name, value) in [("cwd", &meta.cwd), ("user", &meta.user)] {
                if !value.is_empty() && value != "/" {
                    let _ = write!(out, "\n     {name} {value}");
                }
            }
            for (mount, cache) in exec
                .mounts
                .iter()
                .filter_map(|mount| Some((mount, mount.cache_opt.as_ref()?)))
            {
                let _ = write!(out, "\n     cache {} {}", mount.dest, cache.id);
            }
            out
        }
        Op::File(file) => {
            let actions: Vec<String> = file
                .actions
                .iter()
                .map(|action| {
                    format!(
                        "{} {}",
                        input(action.input),
                        file_action(action, &input(action.secondary_input))
                    )
                })
                .collect();
            actions.join("\n   ")
        }
        Op::Merge(_) => format!("merge {inputs:?}"),
        Op::Diff(_) => format!("diff {inputs:?}"),
        other => format!("{other:?}"),
    }
}

fn file_action(action: &pb::FileAction, from: &str) -> String {
    match action.action.as_ref().expect("an action") {
        Action::Copy(copy) => {
            let mut out = format!("copy {from}:{} {}", copy.src, copy.dest);
            if !copy.include_patterns.is_empty() {
                let _ = write!(out, "\n     include {:?}", copy.include_patterns);
            }
            if copy.mode != -1 {
                let _ = write!(out, "\n     mode {:o}", copy.mode);
            }
            if let Some(user) = copy.owner.as_ref().and_then(|owner| owner.user.as_ref()) {
                let _ = write!(out, "\n     owner {:?}", user.user);
            }
            out
        }
        Action::Mkdir(mkdir) => format!("mkdir {} parents {}", mkdir.path, mkdir.make_parents),
        other => format!("{other:?}"),
    }
}
