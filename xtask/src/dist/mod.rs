//! `cargo xtask dist`: what is released, in `target/dist`.
//!
//! For each platform a static binary, `linux/ARCH/luakit`, and of all of them the frontend image, an OCI archive that
//! Luakit itself builds from `dist/frontend.lua`. Same sources and toolchain, same bytes: `--verify` builds all of it a
//! second time from a copy in another folder, and compares.

mod binary;
mod copy;
mod image;
pub(crate) mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use binary::Arch;

/// What a binary, and so the image of one, may weigh.
const LIMIT: u64 = 15_000_000;

/// Make what is released: static binaries, and the frontend image as an OCI archive, in `target/dist`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to build for [default: this machine's platform].
    #[arg(long, value_delimiter = ',', value_name = "PLATFORM")]
    platform: Vec<Arch>,
    /// Also name the image, in the engine's store. May be repeated.
    #[arg(long, value_name = "NAME")]
    tag: Vec<String>,
    /// Also push the image under this name. May be repeated.
    #[arg(long, value_name = "NAME")]
    push: Vec<String>,
    /// Leave the image out, which needs an engine.
    #[arg(long, conflicts_with_all = ["tag", "push"])]
    no_image: bool,
    /// Build everything again from a copy of the sources in another folder, and compare.
    #[arg(long)]
    verify: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = workspace()?;
    let arches = match args.platform.as_slice() {
        [] => vec![Arch::of_machine()?],
        given => Arch::each_once(given),
    };
    for arch in &arches {
        arch.provide_tools()?;
    }
    let made = make(&root, &root.join("target"), &arches)?;
    let image = if args.no_image {
        None
    } else {
        let names = image::Names {
            tags: &args.tag,
            push: &args.push,
        };
        Some(image::build(&root, &made, &arches, &names, false)?)
    };
    if args.verify {
        verify(&root, &arches, &made, image.as_deref())?;
    }
    Ok(())
}

/// Makes the binary for this machine alone: what a later [`run`] then finds made.
pub(crate) fn compile() -> Result<()> {
    let root = workspace()?;
    let arch = Arch::of_machine()?;
    arch.provide_tools()?;
    make(&root, &root.join("target"), &[arch]).map(drop)
}

/// The binaries of a source folder, in `dist` of a target folder.
fn make(sources: &Path, target: &Path, arches: &[Arch]) -> Result<PathBuf> {
    let made = target.join("dist");
    for arch in arches {
        let built = binary::build(sources, target, *arch)?;
        let place = made.join(arch.directory());
        let file = place.join("luakit");
        std::fs::create_dir_all(&place).with_context(|| format!("cannot make `{}`", place.display()))?;
        std::fs::copy(&built, &file).with_context(|| format!("cannot write `{}`", file.display()))?;
        let size = std::fs::metadata(&file)?.len();
        println!(
            "{}  {size} bytes  sha256:{}",
            file.strip_prefix(sources).unwrap_or(&file).display(),
            sum(&file)?
        );
        ensure!(size <= LIMIT, "the binary for {arch} has more than {LIMIT} bytes");
    }
    Ok(made)
}

/// Makes it all again elsewhere, and fails unless every byte is the same.
fn verify(root: &Path, arches: &[Arch], made: &Path, image: Option<&str>) -> Result<()> {
    // Another length of the path, too: padding is where such things hide.
    let elsewhere = tempfile::Builder::new().prefix("luakit-somewhere-else-").tempdir()?;
    let sources = elsewhere.path().join("sources");
    copy::sources(root, &sources)?;
    println!("again, in `{}`", sources.display());
    let again = make(&sources, &sources.join("target"), arches)?;
    for arch in arches {
        let file = Path::new(arch.directory()).join("luakit");
        let (first, second) = (sum(&made.join(&file))?, sum(&again.join(&file))?);
        if first != second {
            bail!("the binary for {arch} is another one in another folder: {first} and {second}");
        }
    }
    if let Some(first) = image {
        let second = image::build(&sources, &again, arches, &image::Names::default(), true)?;
        if first != second {
            bail!("the image is another one in another folder: {first} and {second}");
        }
    }
    println!("both are the same");
    Ok(())
}

fn sum(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

fn workspace() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.parent().context("xtask lies in no workspace")?;
    root.canonicalize()
        .with_context(|| format!("cannot find `{}`", root.display()))
}
