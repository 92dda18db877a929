//! What is generated, and whether it is what lies there.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use super::{Args, cli, editor, lint, luacats, manual, prelude, reference, stubs};

/// Text by path from the repository's root.
type Files = BTreeMap<String, String>;

/// Where nothing but generated files is: one that is not generated any more is stale.
const OWN: [&str; 3] = ["types", "docs/man", "docs/reference"];

/// Generates, and writes or compares.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.lint {
        return lint::run();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the workspace")?;
    let fresh = generate()?;
    let mut stale = Vec::new();
    for (path, text) in &fresh {
        let path = root.join(path);
        if std::fs::read_to_string(&path).ok().as_ref() != Some(text) {
            stale.push(path);
        }
    }
    let left = left_over(root, &fresh)?;
    if args.check {
        let names: Vec<String> = stale
            .iter()
            .chain(&left)
            .map(|path| path.display().to_string())
            .collect();
        anyhow::ensure!(
            names.is_empty(),
            "not current; run `cargo xtask docs`:\n  {}",
            names.join("\n  ")
        );
        return Ok(());
    }
    for path in left {
        std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        println!("removed {}", path.display());
    }
    for (path, text) in &fresh {
        let path = root.join(path);
        if stale.contains(&path) {
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir)?;
            }
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            println!("wrote {}", path.display());
        }
    }
    Ok(())
}

fn generate() -> anyhow::Result<Files> {
    let api = luakit_script::api_table();
    let library = luacats::parse(luakit_script::prelude_source())?;
    let mut pages = reference::pages(api)?;
    pages.push(prelude::page(&library));
    pages.push(cli::page(luakit::command()));
    let mut files = Files::new();
    files.insert("docs/reference/README.md".to_owned(), reference::index(&pages));
    for page in pages {
        files.insert(format!("docs/reference/{}.md", page.name), page.text);
    }
    for page in manual::pages(luakit::command())? {
        files.insert(format!("docs/man/{}", page.file), page.text);
    }
    files.insert("types/luakit.lua".to_owned(), stubs::luakit(api));
    files.insert("types/prelude.lua".to_owned(), prelude::stub(&library));
    files.insert("types/luau.lua".to_owned(), editor::luau());
    files.insert(".luarc.json".to_owned(), editor::luarc());
    Ok(files)
}

/// Files in generated directories that are not generated.
fn left_over(root: &Path, fresh: &Files) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut left = Vec::new();
    for dir in OWN {
        let path = root.join(dir);
        if !path.exists() {
            continue;
        }
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = format!("{dir}/{}", entry.file_name().to_string_lossy());
            if !fresh.contains_key(&name) {
                left.push(entry.path());
            }
        }
    }
    left.sort();
    Ok(left)
}
