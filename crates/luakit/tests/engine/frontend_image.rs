//! The frontend image: what `dist/frontend.lua` makes of a binary, and one of the binary under test for other tests.
//!
//! What is released holds a static binary, which takes minutes to compile: `cargo xtask test` makes and tries that one by
//! itself. [`frontend_image`] differs in the binary alone: it is the one of all other tests, with the shared
//! libraries that it needs beside it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use luakit_frontend::options::CAPABILITIES;
use luakit_testkit::image::Archive;
use serde_json::Value;

use crate::workbench::{Workbench, stdout_of, succeeded};

/// Where the files for this machine's platform lie in the context of `dist/frontend.lua`.
const DIRECTORY: &str = "linux/amd64";

/// The name of a frontend image that holds the binary under test, in the engine's registry: what a `# syntax=` line of
/// a test's script names. It is made when it is first asked for.
pub(crate) fn frontend_image() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let bench = Workbench::new();
        let name = format!(
            "{}/luakit-test/frontend:{}",
            bench.engine.registry(),
            std::process::id()
        );
        let context = bench.path("frontend");
        fill(&context.join(DIRECTORY));
        let output = format!("type=registry,name={name}");
        build(&bench, &context, &["-o", &output]);
        name
    })
}

/// Puts the binary under test and what it loads into a root filesystem.
fn fill(root: &Path) {
    let binary = Path::new(env!("CARGO_BIN_EXE_luakit"));
    fs::create_dir_all(root).unwrap();
    let stripped = Command::new("strip")
        .args(["--strip-debug", "-o"])
        .args([&root.join("luakit"), binary])
        .output()
        .unwrap();
    succeeded("strip", &stripped);
    let listed = Command::new("ldd").arg(binary).output().unwrap();
    for library in libraries(&stdout_of("ldd", &listed)) {
        let copy = root.join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&library, &copy).unwrap();
    }
}

/// The files among what `ldd` lists, the loader included.
fn libraries(listed: &str) -> BTreeSet<PathBuf> {
    let words = listed.lines().flat_map(str::split_whitespace);
    words.filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// Builds `dist/frontend.lua`, as `cargo xtask dist` does.
fn build(bench: &Workbench, context: &Path, args: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/frontend.lua");
    let mut command = bench.luakit(context);
    command
        .env("SOURCE_DATE_EPOCH", "0")
        .args([
            "build",
            "--provenance=false",
            "--arg",
            "VERSION=1.2.3",
            "--context",
            ".",
        ])
        .args(args)
        .arg(script);
    succeeded("luakit build dist/frontend.lua", &command.output().unwrap());
}

/// Two times of day, two folders, two umasks: one image.
#[test]
fn one_binary_makes_one_image() {
    let bench = Workbench::new();
    let image = |name: &str, mode: u32, extra: &[&str]| {
        let context = bench.path(name);
        fs::create_dir_all(context.join(DIRECTORY)).unwrap();
        fs::create_dir_all(context.join("linux/arm64")).unwrap();
        fs::write(context.join(DIRECTORY).join("luakit"), "a binary").unwrap();
        fs::write(context.join("linux/arm64/luakit"), "another one").unwrap();
        fs::set_permissions(context.join(DIRECTORY).join("luakit"), Permissions::from_mode(mode)).unwrap();
        fs::write(context.join(name), "not for the image").unwrap();
        let archive = bench.path(&format!("{name}.tar"));
        let output = format!("type=oci,dest={}", archive.display());
        build(&bench, &context, &[&["-o", output.as_str()], extra].concat());
        Archive::open(&archive).unwrap()
    };
    let both = ["--platform", "linux/amd64,linux/arm64"];
    let first = image("first", 0o755, &both);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = image("longer-second", 0o600, &[&["--no-cache"], both.as_slice()].concat());
    let digest = |archive: &Archive| archive.json("index.json").unwrap()["manifests"][0]["digest"].clone();
    assert_eq!(digest(&first), digest(&second));

    let images = first.images().unwrap();
    let texts: Vec<&str> = images
        .iter()
        .map(|image| image.config["architecture"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["amd64", "arm64"]);
    let root = images[0].root().unwrap();
    assert_eq!(root.get("/luakit").unwrap().text().unwrap(), "a binary");
    let labels = &images[0].settings()["Labels"];
    assert_eq!(
        labels["moby.buildkit.frontend.caps"],
        CAPABILITIES.join(","),
        "the image says what the code has"
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(images[0].settings()).unwrap(), @r#"
    {
      "Entrypoint": [
        "/luakit",
        "frontend"
      ],
      "Env": [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
      ],
      "Labels": {
        "moby.buildkit.frontend.caps": "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts,moby.buildkit.frontend.gitquerystring",
        "moby.buildkit.frontend.network.none": "true",
        "org.opencontainers.image.description": "Container images described in Lua, built by BuildKit",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.title": "luakit",
        "org.opencontainers.image.version": "1.2.3"
      },
      "User": "65532:65532",
      "WorkingDir": "/"
    }
    "#);
    assert_eq!(images[0].config["created"], Value::from("1970-01-01T00:00:00Z"));
}
