//! Caches that outlive an engine's own: what a step made is taken from them when the engine has forgotten it.
//!
//! When Docker is made to forget something it also drops what builds under way have not yet got hold of, and these fail
//! with "not found": `cargo xtask test` runs these tests by themselves.

use luakit_testkit::actions_cache::ActionsCache;

use crate::workbench::{Workbench, stdout_of};

/// Each time the step really runs it makes another file.
const SCRIPT: &str = r#"
bk.export(bk.image("alpine:3.19"):run("cat /proc/sys/kernel/random/uuid > /made; echo cache-" .. bk.arg("FOR")))
"#;

/// Makes the engine forget the step of one test.
fn forget(bench: &Workbench, name: &str) {
    let step = format!("echo cache-{name}");
    let listed = bench.docker_says(&["buildx", "du", "--verbose"]);
    let field = |record: &str, field: &str| {
        let line = record.lines().find_map(|line| line.strip_prefix(field));
        line.unwrap_or_default().trim().to_owned()
    };
    let ids: Vec<String> = listed
        .split("\n\n")
        .filter(|record| field(record, "Description:").ends_with(&step))
        .map(|record| field(record, "ID:"))
        .collect();
    assert!(!ids.is_empty(), "no record of `{step}`:\n{listed}");
    // An earlier run of the test may have left one.
    for id in ids {
        bench.docker_says(&["buildx", "prune", "--all", "--force", "--filter", &format!("id={id}")]);
    }
}

/// Builds with these flags; what the step made.
fn made(bench: &Workbench, name: &str, flags: &[&str]) -> String {
    made_in(bench, name, flags, &[])
}

/// The same, with these variables in the environment.
fn made_in(bench: &Workbench, name: &str, flags: &[&str], variables: &[(&str, &str)]) -> String {
    let project = bench.project(&[("build.lua", SCRIPT)]);
    let dest = bench.path("made");
    let spec = format!("type=local,dest={}", dest.display());
    let argument = format!("FOR={name}");
    let mut command = bench.luakit(&project);
    command.args(["build", "-o", &spec, "--arg", &argument]).args(flags);
    command.envs(variables.iter().copied());
    stdout_of(&format!("luakit build {}", flags.join(" ")), &command.output().unwrap());
    std::fs::read_to_string(dest.join("made")).unwrap()
}

#[test]
fn a_step_is_taken_from_where_its_cache_was_kept() {
    let bench = Workbench::new();
    let name = |name: &str| format!("{}/luakit-test/cache:{name}", bench.engine.registry());
    let (registry, image) = (name("registry"), name("inline"));
    let dir = bench.path("cache");
    let cases = [
        (
            "registry",
            vec![format!("--cache-to=type=registry,ref={registry},mode=max")],
            format!("--cache-from={registry}"),
        ),
        (
            "local",
            vec![format!("--cache-to=type=local,dest={},mode=max", dir.display())],
            format!("--cache-from=type=local,src={}", dir.display()),
        ),
        (
            "inline",
            vec![
                "--cache-to=type=inline".to_owned(),
                format!("-otype=registry,name={image}"),
            ],
            format!("--cache-from={image}"),
        ),
    ];
    for (name, to, from) in &cases {
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let kept = made(&bench, name, &to);
        forget(&bench, name);
        assert_ne!(made(&bench, name, &[]), kept, "{name}: the engine had forgotten it");
        forget(&bench, name);
        assert_eq!(made(&bench, name, &[from]), kept, "{name}");
    }
}

/// GitHub's cache service is a stand-in, of which the engine is told what a workflow's environment says.
#[test]
fn a_step_is_taken_from_a_workflows_cache() {
    let bench = Workbench::new();
    let cache = ActionsCache::start();
    let url = cache.url();
    let workflow = [
        ("ACTIONS_CACHE_URL", url.as_str()),
        ("ACTIONS_RUNTIME_TOKEN", cache.token()),
    ];
    let kept = made_in(&bench, "gha", &["--cache-to=type=gha,mode=max,scope=test"], &workflow);
    let keys = cache.keys();
    assert!(keys.iter().any(|key| key.starts_with("index-test-")), "{keys:?}");
    assert!(keys.iter().any(|key| key.starts_with("buildkit-blob-")), "{keys:?}");
    forget(&bench, "gha");
    assert_ne!(made(&bench, "gha", &[]), kept, "the engine had forgotten it");
    forget(&bench, "gha");
    assert_eq!(
        made_in(&bench, "gha", &["--cache-from=type=gha,scope=test"], &workflow),
        kept
    );
    assert_eq!(cache.refused(), 0);
}

#[test]
fn a_definition_keeps_takes_and_leaves_caches() {
    let bench = Workbench::new();
    let project = bench.project(&[("build.lua", SCRIPT)]);
    let definition = bench.build(&project, &["--arg", "FOR=solve"]);
    let name = format!("{}/luakit-test/cache:solve", bench.engine.registry());
    let dest = bench.path("made");
    let made = |flags: &[&str]| {
        let spec = format!("type=local,dest={}", dest.display());
        let output = bench.solve(&project, &definition, &[&["-o", spec.as_str()], flags].concat());
        stdout_of(&format!("luakit solve {}", flags.join(" ")), &output);
        std::fs::read_to_string(dest.join("made")).unwrap()
    };
    let to = format!("type=registry,ref={name},mode=max");
    let first = made(&["--export-cache", &to]);
    assert_ne!(made(&["--no-cache"]), first);
    assert!(!made(&["--import-cache", &name]).is_empty());
}
