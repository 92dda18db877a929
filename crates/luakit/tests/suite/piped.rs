//! Scripts on stdin: files of the context that are called `stdin`.

use std::io::Write as _;
use std::process::Stdio;

use crate::project::{Project, Run};

/// What the binary does with a script on stdin.
fn piped(project: &Project, args: &[&str], script: &str) -> Run {
    let mut child = project
        .command()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    Run::of(child.wait_with_output().unwrap())
}

const SCRIPT: &str = r#"bk.export(require("./parts").base():copy(bk.local_("context"), "src", "/src"))"#;
const PARTS: &str = r"return { base = function() return bk.scratch() end }";

#[test]
fn it_has_the_modules_of_the_context_and_a_definition_of_its_own() {
    let project = Project::new(&[("app/parts.lua", PARTS), ("app/stdin", SCRIPT)]);
    let named = project.run(&["build", "-f", "app/stdin", "app"]).success();
    assert_eq!(piped(&project, &["build", "-f", "-", "app"], SCRIPT).success(), named);
    assert_eq!(
        piped(&project, &["build", "-", "--context", "app"], SCRIPT).success(),
        named
    );
}

#[test]
fn its_lock_file_is_the_contexts() {
    let project = Project::new(&[("app/luakit.lock", "version = 7\n")]);
    let run = piped(
        &project,
        &["build", "--locked", "-f", "-", "app"],
        "bk.export(bk.image('alpine'))",
    );
    assert_ne!(run.code(), 0);
    assert!(run.stderr().contains("app/luakit.lock:1"), "{}", run.stderr());
}

#[test]
fn its_mistakes_have_their_place() {
    let project = Project::new(&[]);
    let run = piped(&project, &["validate", "-"], "\nlocal s = bk.imag('alpine')\n");
    assert_eq!(run.code(), 3);
    insta::assert_snapshot!(run.stderr(), @"
    error[unknown-name]: bk has no `imag`; did you mean `bk.image`?
     --> stdin:2:14
      |
    2 | local s = bk.imag('alpine')
      |              ^^^^
    ");
}
