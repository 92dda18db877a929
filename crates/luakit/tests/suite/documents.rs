//! Every Lua block of the README evaluates, as it stands.

use std::path::Path;

use crate::project::Project;

#[test]
fn every_lua_block_of_the_readme_evaluates() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let blocks: Vec<&str> = text
        .split("```lua\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let project = Project::new(&[("build.lua", block)]);
        project.run(&["validate"]).success();
    }
}
