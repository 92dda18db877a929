//! `expect.toml`: what an example's image must be, and the comparison.
//!
//!     [[build]]                          # one for each export that is built
//!     args = ["--target", "binary"]      # of `luakit build`
//!     platform = "linux/arm64"           # of the image; linux/amd64 when left out
//!     base = "alpine:3.19"               # what it rests on; nothing when left out
//!     config.Entrypoint = ["/app/run"]   # laid over the base's config
//!     absent = ["/usr/local/go"]         # no layer above the base has it
//!
//!     [build.files."/app/run"]           # in the layers above the base
//!     mode = "0755"
//!
//!     [[build.run]]                      # docker run IMAGE ARGS
//!     stdout = "hello\n"
//!
//! The config is compared whole: what the base's says and nothing is laid over must be there unchanged.

use std::collections::BTreeMap;
use std::path::Path;

use luakit_testkit::image::{Image, diff_ids};
use luakit_testkit::rootfs::{Entry, Kind, Rootfs};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::workbench::{Workbench, platform_of};

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectations {
    pub(crate) build: Vec<Build>,
}

/// One build of the script, and its image.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Build {
    #[serde(default)]
    pub(crate) args: Vec<String>,
    #[serde(default = "linux_amd64")]
    pub(crate) platform: String,
    base: Option<String>,
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default)]
    absent: Vec<String>,
    #[serde(default)]
    files: BTreeMap<String, Facts>,
    #[serde(default)]
    pub(crate) run: Vec<Run>,
}

/// What is known of a path; what is not given is not compared, but for the owner, who is root.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    mode: Option<String>,
    #[serde(default = "root")]
    owner: String,
    modified: Option<u64>,
    /// The whole content.
    content: Option<String>,
    /// A part of it.
    contains: Option<String>,
    /// A file beside `expect.toml` with the same content.
    same_as: Option<String>,
    /// A program: the first bytes of an ELF file of this machine's or another's.
    program_for: Option<String>,
    /// What a symbolic link says.
    link: Option<String>,
    #[serde(default)]
    directory: bool,
}

/// One run of the image.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// Options of `docker run`.
    #[serde(default)]
    pub(crate) options: Vec<String>,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    pub(crate) stdout: String,
}

fn linux_amd64() -> String {
    "linux/amd64".to_owned()
}

fn root() -> String {
    "0:0".to_owned()
}

impl Expectations {
    pub(crate) fn read(folder: &Path) -> Self {
        let file = folder.join("expect.toml");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        toml::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
    }
}

impl Build {
    /// Ends the test where the image is not as expected.
    pub(crate) fn compare(&self, bench: &Workbench, folder: &Path, image: &Image<'_>) {
        assert_eq!(platform_of(&image.config), self.platform, "the config's platform");
        assert_eq!(
            platform_of(&image.descriptor["platform"]),
            self.platform,
            "the index's platform"
        );
        let base = self.base.as_ref().map(|base| bench.base_config(base, &self.platform));
        let below = base.as_ref().map(|base| base["config"].clone()).unwrap_or_default();
        let expected = laid_over(&below, &self.config);
        assert_eq!(without_empty(image.settings()), without_empty(&expected), "the config");

        // The base's layers are its own, byte for byte, so only what lies above them is looked at.
        let layers = base.as_ref().map(diff_ids).unwrap_or_default();
        assert!(
            image.diff_ids().starts_with(&layers),
            "the layers {:?} rest on {layers:?}",
            image.diff_ids()
        );
        let above = image.layers_above(layers.len()).unwrap();
        self.compare_files(folder, &above);
    }

    /// The same for the files alone: an export without a config.
    pub(crate) fn compare_files(&self, folder: &Path, root: &Rootfs) {
        for path in &self.absent {
            assert!(root.get(path).is_none(), "`{path}` is there");
        }
        for (path, facts) in &self.files {
            let entry = root.get(path).unwrap_or_else(|| {
                panic!(
                    "no `{path}`; there are {:?}",
                    root.paths().take(200).collect::<Vec<_>>()
                )
            });
            facts.compare(path, folder, entry);
        }
    }
}

impl Facts {
    fn compare(&self, path: &str, folder: &Path, entry: &Entry) {
        if let Some(mode) = &self.mode {
            assert_eq!(&format!("{:04o}", entry.mode), mode, "the mode of `{path}`");
        }
        assert_eq!(
            format!("{}:{}", entry.owner.0, entry.owner.1),
            self.owner,
            "the owner of `{path}`"
        );
        if let Some(modified) = self.modified {
            assert_eq!(entry.modified, modified, "when `{path}` was modified");
        }
        assert_eq!(
            entry.kind == Kind::Directory,
            self.directory,
            "whether `{path}` is a directory"
        );
        if let Some(link) = &self.link {
            assert_eq!(entry.kind, Kind::Symlink(link.clone()), "`{path}`");
        }
        if let Some(content) = &self.content {
            assert_eq!(entry.text().as_ref(), Some(content), "the content of `{path}`");
        }
        if let Some(part) = &self.contains {
            let text = entry.text().unwrap_or_default();
            assert!(text.contains(part), "`{path}` has no {part:?}:\n{text:.2000}");
        }
        if let Some(file) = &self.same_as {
            let content = std::fs::read(folder.join(file)).unwrap();
            assert!(entry.kind == Kind::File(content), "`{path}` is not `{file}`");
        }
        if let Some(platform) = &self.program_for {
            let Kind::File(content) = &entry.kind else {
                panic!("`{path}` is no file")
            };
            assert_eq!(
                machine_of(content),
                Some(platform.as_str()),
                "what `{path}` is a program for"
            );
        }
    }
}

/// The platform of an ELF file, by its machine number.
fn machine_of(content: &[u8]) -> Option<&'static str> {
    match (content.get(..4)?, content.get(18..20)?) {
        (b"\x7fELF", [0x3e, 0]) => Some("linux/amd64"),
        (b"\x7fELF", [0xb7, 0]) => Some("linux/arm64"),
        (b"\x7fELF", [0x28, 0]) => Some("linux/arm"),
        _ => None,
    }
}

/// SPEC's rule for an export's config, written down once more: `env` merges by name, maps by key, a new
/// entrypoint drops the base's command, everything else replaces.
fn laid_over(base: &Value, over: &Map<String, Value>) -> Value {
    let mut config = base.as_object().cloned().unwrap_or_default();
    for (name, value) in over {
        match (name.as_str(), config.get_mut(name), value) {
            ("Env", Some(Value::Array(below)), Value::Array(above)) => {
                for one in above {
                    let key = |one: &Value| one.as_str().unwrap().split('=').next().unwrap().to_owned();
                    match below.iter_mut().find(|other| key(other) == key(one)) {
                        Some(other) => *other = one.clone(),
                        None => below.push(one.clone()),
                    }
                }
            }
            (_, Some(Value::Object(below)), Value::Object(above)) => below.extend(above.clone()),
            _ => {
                config.insert(name.clone(), value.clone());
            }
        }
    }
    if over.contains_key("Entrypoint") && !over.contains_key("Cmd") {
        config.remove("Cmd");
    }
    Value::Object(config)
}

/// A config's empty settings say what absent ones do.
fn without_empty(config: &Value) -> Map<String, Value> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    let mut config = config.as_object().cloned().unwrap_or_default();
    config.retain(|_, value| !empty(value));
    config
}
