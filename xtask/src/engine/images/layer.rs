//! Making one layer: a folder filled from Debian's packages, packed to the same bytes every time.
//!
//! The work is `layer.sh`, one process in a mount and PID namespace of its own for each layer, so that
//! an interrupted run leaves neither mounts nor processes. A made layer is `NAME-HASH/` in the images'
//! folder: `root/` (for the layers above), `layer.tar.gz`, and `layer.json`, written last.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::recipes::{Recipe, Source};
use crate::engine::packages::{Apt, IMAGE_SUITE, Tools, remove_folder};
use crate::engine::process::{command, output};

const SCRIPT: &str = include_str!("layer.sh");

/// A layer that was made.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) root: PathBuf,
    pub(super) blob: PathBuf,
    pub(super) digest: String,
    pub(super) diff_id: String,
    pub(super) size: u64,
    /// `NAME=VALUE` lines for the config of images that rest on this layer.
    pub(super) env: Vec<String>,
}

impl Made {
    /// The layer of that recipe, if it was made before.
    pub(super) fn load(images: &Path, name: &str, hash: &str) -> Option<Self> {
        let folder = images.join(format!("{name}-{hash}"));
        let facts: Value = serde_json::from_slice(&fs::read(folder.join("layer.json")).ok()?).ok()?;
        let text = |key: &str| facts.get(key).and_then(Value::as_str).map(str::to_owned);
        let env = facts.get("env")?.as_array()?;
        Some(Self {
            name: name.to_owned(),
            root: folder.join("root"),
            blob: folder.join("layer.tar.gz"),
            digest: text("digest")?,
            diff_id: text("diff_id")?,
            size: facts.get("size")?.as_u64()?,
            env: env.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}

/// What layers are made with, and where.
pub(super) struct Workshop<'a> {
    pub(super) apt: &'a Apt,
    pub(super) tools: &'a Tools,
    pub(super) folder: PathBuf,
}

impl Workshop<'_> {
    /// Makes the layer of `recipe`; `needs` are the layers that it names, in its order.
    pub(super) fn make(&self, recipe: &Recipe, hash: &str, needs: &[Made]) -> Result<Made> {
        let started = std::time::Instant::now();
        let folder = self.folder.join(format!("{}-{hash}", recipe.name));
        remove_folder(&folder)?;
        for sub in ["root", "work", "merged", "files", "wheels"] {
            fs::create_dir_all(folder.join(sub))?;
        }
        for (name, content) in recipe.files {
            fs::write(folder.join("files").join(name), content)?;
        }
        fs::write(folder.join("finish.sh"), &recipe.finish)?;
        fs::write(folder.join("env"), "")?;
        fs::write(folder.join("sources"), self.apt.sources(IMAGE_SUITE, &[recipe.arch]))?;
        fs::write(folder.join("layer.sh"), SCRIPT)?;
        self.fetch_wheels(recipe.wheels, &folder.join("wheels"))?;
        self.run(recipe, &folder, needs)?;

        let read =
            |name: &str| fs::read_to_string(folder.join(name)).with_context(|| format!("`layer.sh` wrote no `{name}`"));
        let digest_in = |text: String| match text.split_whitespace().next() {
            Some(digest) if digest.len() == 64 => Ok(format!("sha256:{digest}")),
            _ => bail!("`sha256sum` wrote no digest"),
        };
        let env = read("env")?;
        let facts = json!({
            "digest": digest_in(read("digest")?)?,
            "diff_id": digest_in(read("diff_id")?)?,
            "size": fs::metadata(folder.join("layer.tar.gz"))?.len(),
            "env": env.lines().collect::<Vec<_>>(),
        });
        for sub in ["work", "merged", "files", "wheels"] {
            remove_folder(&folder.join(sub))?;
        }
        fs::write(folder.join("layer.json"), serde_json::to_vec_pretty(&facts)?)?;
        println!("  {} ({:.0} s)", recipe.name, started.elapsed().as_secs_f32());
        Made::load(&self.folder, &recipe.name, hash).context("the made layer cannot be read")
    }

    /// Downloads wheels for the images' Python with Debian's pip, under the machine's pip configuration.
    fn fetch_wheels(&self, requirements: &[&str], folder: &Path) -> Result<()> {
        if requirements.is_empty() {
            return Ok(());
        }
        let wheels = self.tools.root.join("usr/share/python-wheels");
        let pip = fs::read_dir(&wheels)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| {
                path.file_name()
                    .is_some_and(|name| name.as_encoded_bytes().starts_with(b"pip-"))
            })
            .context("the package `python3-pip-whl` holds no pip")?;
        output(
            command("/usr/bin/python3")
                .arg(pip.join("pip"))
                .args([
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--only-binary=:all:",
                ])
                .args([
                    "--python-version",
                    "3.11",
                    "--implementation",
                    "cp",
                    "--platform",
                    "manylinux2014_x86_64",
                ])
                .arg("--dest")
                .arg(folder)
                .args(requirements),
        )?;
        Ok(())
    }

    fn run(&self, recipe: &Recipe, folder: &Path, needs: &[Made]) -> Result<()> {
        let (kind, packages) = match recipe.source {
            Source::Nothing => ("nothing", String::new()),
            Source::Debian => ("debian", String::new()),
            Source::Apt(packages) => ("apt", packages.join(" ")),
            Source::Unpack(packages) => ("unpack", packages.join(" ")),
            Source::Repository(packages) => ("repository", packages.join(" ")),
            Source::Bundles(bundles) => {
                // One bundle a line, as `layer.sh` reads them.
                let lines: Vec<String> = bundles
                    .iter()
                    .map(|(name, packages)| format!("{name} {}", packages.join(" ")))
                    .collect();
                fs::write(folder.join("bundles"), lines.join("\n") + "\n")?;
                ("bundles", String::new())
            }
        };
        let (below, beside) = needs.split_at_checked(recipe.below.len()).unwrap_or((needs, &[]));
        let root = |layer: &Made| layer.root.display().to_string();
        // The nearest layer comes first in an overlay's list.
        let lower: Vec<String> = below.iter().rev().map(root).collect();
        let beside: Vec<String> = beside.iter().map(root).collect();
        let apt = self.apt.run("apt-get", IMAGE_SUITE, &[recipe.arch])?;
        let mut make = command("unshare");
        make.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "/bin/sh", "-eu"])
            .arg(folder.join("layer.sh"))
            .args(apt.get_args())
            .current_dir(folder)
            .env("PATH", self.tools.path())
            .env("KIND", kind)
            .env("PACKAGES", packages)
            .env("LOWER", lower.join(":"))
            .env("BESIDE", beside.join("\n"))
            .env("ARCH", recipe.arch)
            .env("SUITE", IMAGE_SUITE)
            .env("TOOLS", &self.tools.root);
        output(&mut make)?;
        Ok(())
    }
}
