//! That the documentation tells the truth: every example runs, and the options are those that are taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use luakit_llb::Platform;
use luakit_script::{Input, Limits, LoadError, Root, ScriptError, SourceLoader, api_table, evaluate, prelude_source};

use super::luacats::{self, Item, Module};
use super::{editor, prelude, stubs};

/// Files that examples read.
struct Files;

impl SourceLoader for Files {
    fn read(&self, _: Root, path: &str) -> Result<Option<Vec<u8>>, LoadError> {
        Ok(match path {
            "package.json" => Some(b"{ \"name\": \"app\" }".to_vec()),
            "Chart.yaml" => Some(b"name: app".to_vec()),
            "Cargo.toml" => Some(b"[package]\nversion = \"1.0.0\"".to_vec()),
            _ => None,
        })
    }

    fn exists(&self, root: Root, path: &str) -> Result<bool, LoadError> {
        Ok(self.read(root, path)?.is_some())
    }

    fn glob(&self, _: Root, _: &str) -> Result<Vec<String>, LoadError> {
        Ok(vec![
            "services/api/package.json".to_owned(),
            "services/web/package.json".to_owned(),
        ])
    }
}

/// Names that examples take for granted.
const NAMES: &str = "local prelude = require('prelude')\n\
    local base, src, runtime, workspace = bk.image('base'), bk.local_('context'), bk.image('runtime'), bk.image('workspace')\n\
    local built = base:run('make', { mounts = { bk.bind(src, '/docs', { readonly = false }) } })\n\
    local final, linted, tested, api, web = built, built, built, built, built\n\
    local function build_service(path) return base:copy(src, path, '/') end\n";

/// How a script ends; one that exports nothing did not fail.
fn run(script: &str) -> Result<(), String> {
    let input = Input {
        script_name: "example.lua".to_owned(),
        script: script.as_bytes().to_vec(),
        loader: Arc::new(Files),
        args: BTreeMap::new(),
        contexts: luakit_script::NamedContexts::default(),
        target_platform: Platform::linux_amd64(),
        build_platform: Platform::linux_amd64(),
        limits: Limits::default(),
        print: Arc::new(|_| {}),
    };
    match evaluate(input) {
        Ok(_) => Ok(()),
        Err(failure) if matches!(failure.error, ScriptError::NoExport) => Ok(()),
        Err(failure) => Err(failure.diagnostic.message.clone()),
    }
}

fn library() -> Module {
    luacats::parse(prelude_source()).expect("documentation that can be read")
}

#[test]
fn every_example_of_the_api_runs() {
    let api = api_table();
    let functions = api
        .functions
        .iter()
        .chain(api.classes.iter().flat_map(|class| class.methods));
    for function in functions {
        assert!(!function.example.is_empty(), "no example: {}", function.shown());
        let example = function.example.replace('…', &"0".repeat(64));
        assert_eq!(run(&format!("{NAMES}{example}")), Ok(()), "{example}");
    }
}

#[test]
fn stubs_are_lua() {
    let library = library();
    for stub in [stubs::luakit(api_table()), prelude::stub(&library), editor::luau()] {
        // In a function that is never called: they are there to be read.
        assert_eq!(run(&format!("local function stub()\n{stub}\nend")), Ok(()), "{stub}");
    }
}

#[test]
fn every_example_of_the_prelude_runs() {
    for item in library().chapters.iter().flat_map(|chapter| &chapter.items) {
        if let Item::Function(function) = item {
            let example = function.example.join("\n");
            assert_eq!(run(&format!("{NAMES}{example}")), Ok(()), "{example}");
        }
    }
}

#[test]
fn the_preludes_options_are_those_documented() {
    let library = library();
    let mut checked = 0;
    for item in library.chapters.iter().flat_map(|chapter| &chapter.items) {
        let Item::Function(function) = item else { continue };
        let Some(class) = function.params.last().and_then(|param| library.class(&param.ty)) else {
            continue;
        };
        let mut known: Vec<&str> = library.fields(class).iter().map(|field| field.name.as_str()).collect();
        known.sort_unstable();
        let call = format!(
            "{NAMES}prelude.{}(base, src, {{ qqqqqqqqqqqqqqqqqqqqqqqq = 1 }})",
            function.name
        );
        let error = run(&call).expect_err("an unknown option");
        assert!(
            error.ends_with(&format!("it takes `{}`", known.join("`, `"))),
            "documented are {known:?}, but: {error}"
        );
        checked += 1;
    }
    assert_eq!(checked, 6, "functions with options");
}

#[test]
fn every_function_of_the_prelude_is_documented() {
    let documented: Vec<String> = library()
        .chapters
        .iter()
        .flat_map(|chapter| &chapter.items)
        .filter_map(|item| match item {
            Item::Function(function) => Some(function.name.clone()),
            Item::Class(_) => None,
        })
        .collect();
    let names = documented.join(" ");
    let script = format!(
        "local names = ' {names} '\nfor name in pairs(require('prelude')) do\n  \
         if not names:find(' ' .. name .. ' ', 1, true) then error(name) end\nend"
    );
    assert_eq!(run(&script), Ok(()));
    assert_eq!(documented.len(), 34);
}
