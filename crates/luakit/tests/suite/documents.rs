//! The documents' blocks work as they stand: a block names its file (```` ```lua build.lua ````), and
//! the files of a page are a project. The guide's and the README's commands are run by the engine tests.

use std::path::Path;

use crate::project::Project;

#[test]
fn the_script_of_the_readme_evaluates() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let blocks: Vec<&str> = text
        .split("```lua build.lua\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let project = Project::new(&[("build.lua", block)]);
        project.run(&["validate"]).success();
    }
}

/// The files of a page's blocks.
fn project_of(page: &str) -> Project {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let project = Project::new(&[]);
    let mut files = 0;
    for rest in text.split("\n```").skip(1).step_by(2) {
        let (info, body) = rest.split_once('\n').unwrap();
        if let Some((_, file)) = info.split_once(' ') {
            project.write(file, body.as_bytes());
            files += 1;
        }
    }
    assert!(files > 0, "no file in {page}");
    project
}

#[test]
fn the_modules_are_found() {
    let project = project_of("modules.md");
    project.run(&["validate"]).success();

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/modules.md");
    let page = std::fs::read_to_string(path).unwrap();
    let shown = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let script = std::fs::read_to_string(project.path().join("build.lua")).unwrap();
    project.write("build.lua", script.replace("libs.go", "libs.og").as_bytes());
    assert_eq!(project.run(&["validate"]).stderr(), shown.unwrap());
}

#[test]
fn the_lock_file_is_one_and_pins_its_script() {
    let project = project_of("lock-file.md");
    let bytes = project.run(&["build", "--locked"]).success();
    let text = String::from_utf8_lossy(&bytes);
    for pin in [
        "@sha256:6baf43584bcb",
        "0123456789abcdef0123456789abcdef01234567",
        "sha256:e3b0c44298fc",
    ] {
        assert!(text.contains(pin), "no {pin}");
    }
    let before = std::fs::read(project.path().join("luakit.lock")).unwrap();
    let run = project.run(&["lock"]);
    assert_eq!(
        (run.code(), run.stderr().as_str()),
        (0, "`luakit.lock` is up to date\n")
    );
    assert_eq!(std::fs::read(project.path().join("luakit.lock")).unwrap(), before);
}

#[test]
fn the_registry_configuration_is_one() {
    let project = project_of("registries.md");
    project.write("build.lua", b"bk.export(bk.scratch():mkfile('/a', 'a'))");
    let lock = ["lock", "--registry-config", "registries.toml"];
    project.run(&lock).success();
    project.write("registries.toml", b"[registry.\"x\"]\nhtttp = true\n");
    assert_eq!(project.run(&lock).code(), 2, "the file is read");
}
