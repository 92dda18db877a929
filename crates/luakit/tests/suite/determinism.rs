//! The same script gives the same bytes: twice, in two directories, in two environments.

use crate::project::Project;

const SCRIPT: &str = r#"
local util = require("libs.util")
local env = {}
for i = 1, 50 do env["V" .. i] = tostring(math.random(1000)) .. os.time() end
local s = bk.image("alpine:3.19"):run("env", { env = env })
for _, path in ipairs(bk.glob("services/*/package.json")) do
    s = s:copy(bk.local_("context"), path, "/src/")
end
bk.export(util.label(s), { labels = env })
"#;

fn project() -> Project {
    Project::new(&[
        ("build.lua", SCRIPT),
        (
            "libs/util.lua",
            "return { label = function(s) return s:env({ LABELLED = 'yes' }) end }",
        ),
        ("services/a/package.json", "{}"),
        ("services/b/package.json", "{}"),
    ])
}

const BUILD: &[&str] = &["build", "--resolve=never", "--local-unique", "x"];

#[test]
fn two_runs_two_directories_two_environments() {
    let (here, there) = (project(), project());
    let first = here.run(BUILD).success();
    assert!(!first.is_empty());
    assert_eq!(here.run(BUILD).success(), first, "a second run");
    assert_eq!(there.run(BUILD).success(), first, "another directory");
    let mut elsewhere = here.command();
    let environment = [
        ("HOME", "/nowhere"),
        ("TZ", "Asia/Tokyo"),
        ("LANG", "tr_TR.UTF-8"),
        ("USER", "somebody"),
    ];
    let other = elsewhere.args(BUILD).envs(environment).output().unwrap();
    assert_eq!(other.stdout, first, "another environment");
}

#[test]
fn local_directories_of_two_contexts_stay_apart() {
    let (here, there) = (project(), project());
    let build = ["build", "--resolve=never"];
    assert_eq!(here.run(&build).success(), here.run(&build).success());
    assert_ne!(here.run(&build).success(), there.run(&build).success());
}

#[test]
fn nothing_of_this_machine_is_in_a_definition() {
    let project = project();
    let absolute = project.path().join("build.lua");
    let args = [
        "build",
        absolute.to_str().unwrap(),
        "--context",
        project.path().to_str().unwrap(),
        "--resolve=never",
    ];
    let bytes = project.run(&args).success();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("build.lua"));
    assert!(!text.contains(project.path().to_str().unwrap()));
}
