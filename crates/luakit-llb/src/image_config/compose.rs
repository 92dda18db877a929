//! The config that an exported image gets: its base image's, what the script's states changed since, and what
//! `bk.export` lays over it, as BuildKit's Dockerfile frontend composes one
//! (`frontend/dockerfile/dockerfile2llb/convert.go`).

use serde_json::{Map, Value, json};

use super::{CmdForm, ConfigOverlay, Healthcheck};
use crate::graph::{Graph, VertexId};
use crate::op::{Op, Source};
use crate::path;
use crate::pins::Pins;
use crate::platform::Platform;
use crate::reference::Reference;
use crate::state::State;
use crate::values::{Origin, Values};

/// What programs are looked for in when nobody says (`util/system`).
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Object = Map<String, Value>;

/// The image config of an export, as JSON with sorted keys. `target` is the platform that the definition is
/// marshalled for; an image whose config is not known counts as empty. What the export is `asked` for, where anyone asks,
/// is what the config says, though the base may be for something else: as the Dockerfile frontend has it.
pub fn compose(
    graph: &Graph,
    state: State,
    overlay: &ConfigOverlay,
    target: &Platform,
    asked: Option<&Platform>,
    pins: &Pins,
) -> Vec<u8> {
    let (beginning, changes) = lineage(graph, state);
    let platform = beginning.image_platform(graph).unwrap_or(target);
    let base = beginning.config(graph, platform, pins).and_then(object);
    let mut root = base.unwrap_or_else(|| empty_image(platform));
    root.remove("created");
    name_platform(&mut root, platform);
    let mut config = take_object(&mut root, "config");
    config.remove("OnBuild");
    for change in changes {
        apply_change(&mut root, &mut config, change);
    }
    if let Some(asked) = asked {
        insist(&mut root, asked);
    }
    apply_overlay(&mut root, &mut config, overlay);
    ensure_path(&root, &mut config);
    root.insert("config".to_owned(), Value::Object(config));
    root.entry("rootfs")
        .or_insert_with(|| json!({ "type": "layers", "diff_ids": [] }));
    sorted(Value::Object(root)).to_string().into_bytes()
}

/// The config of the image that a state began with, as its registry has it, where it is known.
pub fn base_config(graph: &Graph, state: State, target: &Platform, pins: &Pins) -> Option<Vec<u8>> {
    let (beginning, _) = lineage(graph, state);
    let platform = beginning.image_platform(graph).unwrap_or(target);
    beginning.config(graph, platform, pins).map(<[u8]>::to_vec)
}

/// An image whose config nothing says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownBase {
    /// A registry's.
    Image(Reference),
    /// A layout's, by its reference.
    Layout(String),
}

/// The image that a state began with, when `pins` don't say what its config is.
pub fn unknown_base(graph: &Graph, state: State, target: &Platform, pins: &Pins) -> Option<(UnknownBase, Platform)> {
    let (Beginning::Image(image), _) = lineage(graph, state) else {
        return None;
    };
    let op = &graph.vertex(image).op;
    let platform = op.image_platform().unwrap_or(target);
    let base = match &**op {
        Op::Source(Source::Image(source)) => UnknownBase::Image(source.reference.clone()),
        Op::Source(Source::OciLayout(source)) => UnknownBase::Layout(source.reference.clone()),
        _ => return None,
    };
    pins.config_of(op, platform).is_none().then(|| (base, platform.clone()))
}

/// What a state began with.
enum Beginning<'a> {
    Nothing,
    Image(VertexId),
    Foreign(&'a Origin),
}

impl<'a> Beginning<'a> {
    /// The platform that its image was asked for with.
    fn image_platform(&self, graph: &'a Graph) -> Option<&'a Platform> {
        match self {
            Self::Image(image) => graph.vertex(*image).op.image_platform(),
            Self::Nothing | Self::Foreign(_) => None,
        }
    }

    /// The config of its image for a platform, as far as it is known.
    fn config(&self, graph: &Graph, platform: &Platform, pins: &'a Pins) -> Option<&'a [u8]> {
        match self {
            Self::Nothing => None,
            Self::Foreign(origin) => origin.config.as_deref(),
            Self::Image(image) => pins.config_of(&graph.vertex(*image).op, platform),
        }
    }
}

/// What a state began with, and what changed since, oldest first.
fn lineage(graph: &Graph, state: State) -> (Beginning<'_>, Vec<&Values>) {
    let mut changes: Vec<&Values> = graph.ancestry(state).collect();
    let beginning = match changes.pop() {
        Some(Values::Image(vertex)) => Beginning::Image(*vertex),
        Some(Values::Foreign(origin)) => Beginning::Foreign(origin),
        _ => Beginning::Nothing,
    };
    changes.reverse();
    (beginning, changes)
}

fn object(json: &[u8]) -> Option<Object> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(root)) => Some(root),
        _ => None,
    }
}

/// What the Dockerfile frontend's `FROM scratch` starts with.
fn empty_image(platform: &Platform) -> Object {
    let mut root = Object::new();
    set_platform(&mut root, platform);
    root.insert("config".to_owned(), json!({ "WorkingDir": "/" }));
    root
}

fn set_platform(root: &mut Object, platform: &Platform) {
    root.insert("os".to_owned(), platform.os().into());
    root.insert("architecture".to_owned(), platform.arch().into());
    root.remove("variant");
    if !platform.variant().is_empty() {
        root.insert("variant".to_owned(), platform.variant().into());
    }
}

/// Writes a base's platform in its normal form, with the variant that was asked for: some images say `arm64` and `v8`,
/// some don't say which `arm` they are for.
fn name_platform(root: &mut Object, asked: &Platform) {
    let part = |key: &str| root.get(key).and_then(Value::as_str).unwrap_or_default();
    let Some(own) = Platform::of_config(part("os"), part("architecture"), part("variant")) else {
        return;
    };
    let is_asked = own.is_same_machine(asked) && !asked.variant().is_empty();
    set_platform(root, if is_asked { asked } else { &own });
}

/// Writes the platform that was asked for. What else a base for another one says of its own goes with it.
fn insist(root: &mut Object, asked: &Platform) {
    let part = |key: &str| root.get(key).and_then(Value::as_str).unwrap_or_default();
    let same = (part("os"), part("architecture")) == (asked.os(), asked.arch());
    if same && (asked.variant().is_empty() || part("variant") == asked.variant()) {
        return;
    }
    set_platform(root, asked);
    if !same {
        root.remove("os.version");
        root.remove("os.features");
    }
}

/// A composed config for another target, where it is the target that decides its platform. What is no config, or says a
/// platform other than `from`, stays as it is.
pub(crate) fn retarget(config: &str, from: &Platform, to: &Platform) -> String {
    let Ok(Value::Object(mut root)) = serde_json::from_str(config) else {
        return config.to_owned();
    };
    let part = |key: &str| root.get(key).and_then(Value::as_str).unwrap_or_default();
    if Platform::of_config(part("os"), part("architecture"), part("variant")).as_ref() != Some(from) {
        return config.to_owned();
    }
    set_platform(&mut root, to);
    sorted(Value::Object(root)).to_string()
}

fn apply_change(root: &mut Object, config: &mut Object, change: &Values) {
    match change {
        Values::Empty | Values::Image(_) | Values::Foreign(_) => {}
        Values::Env { vars, .. } => vars.iter().for_each(|(name, value)| set_env(config, name, value)),
        Values::Workdir { path, .. } => set_workdir(config, path),
        Values::User { user, .. } => set(config, "User", user.as_str()),
        Values::Shell { shell, .. } => set(config, "Shell", shell.clone()),
        Values::Platform { platform, .. } => set_platform(root, platform),
    }
}

fn apply_overlay(root: &mut Object, config: &mut Object, overlay: &ConfigOverlay) {
    for (name, value) in &overlay.env {
        set_env(config, name, value);
    }
    if let Some(path) = &overlay.workdir {
        set_workdir(config, path);
    }
    if let Some(shell) = &overlay.shell {
        set(config, "Shell", shell.clone());
    }
    if let Some(entrypoint) = &overlay.entrypoint {
        let entrypoint = command(config, entrypoint);
        set(config, "Entrypoint", entrypoint);
        // The base's arguments were for the base's entrypoint.
        config.remove("Cmd");
        config.remove("ArgsEscaped");
    }
    if let Some(cmd) = &overlay.cmd {
        let cmd = command(config, cmd);
        set(config, "Cmd", cmd);
    }
    for (key, value) in [("User", &overlay.user), ("StopSignal", &overlay.stop_signal)] {
        if let Some(value) = value {
            set(config, key, value.as_str());
        }
    }
    add_keys(config, "ExposedPorts", &overlay.expose);
    add_keys(config, "Volumes", &overlay.volumes);
    if !overlay.labels.is_empty() {
        let mut labels = take_object(config, "Labels");
        for (name, value) in &overlay.labels {
            labels.insert(name.clone(), value.as_str().into());
        }
        set(config, "Labels", labels);
    }
    if let Some(healthcheck) = &overlay.healthcheck {
        set(config, "Healthcheck", healthcheck_json(healthcheck));
    }
    if !overlay.onbuild.is_empty() {
        set(config, "OnBuild", overlay.onbuild.clone());
    }
    for (key, value) in [
        ("author", &overlay.author),
        ("os", &overlay.os),
        ("architecture", &overlay.arch),
        ("variant", &overlay.variant),
    ] {
        if let Some(value) = value {
            set(root, key, value.as_str());
        }
    }
}

/// A command's arguments: the shell form goes to the image's shell.
fn command(config: &Object, form: &CmdForm) -> Vec<String> {
    let text = match form {
        CmdForm::Exec(args) => return args.clone(),
        CmdForm::Shell(text) => text,
    };
    let own = config.get("Shell").and_then(Value::as_array);
    let own: Vec<String> = own
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect();
    let mut args = if own.is_empty() {
        vec!["/bin/sh".to_owned(), "-c".to_owned()]
    } else {
        own
    };
    args.push(text.clone());
    args
}

/// Sets a variable where it stands, or adds it: configs keep their order, as the Dockerfile frontend's do.
fn set_env(config: &mut Object, name: &str, value: &str) {
    let entry = Value::from(format!("{name}={value}"));
    let list = config.entry("Env").or_insert_with(|| json!([]));
    if !list.is_array() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else { return };
    let named = |v: &Value| {
        v.as_str()
            .is_some_and(|v| v.split_once('=').map_or(v, |(n, _)| n) == name)
    };
    match list.iter_mut().find(|v| named(v)) {
        Some(present) => *present = entry,
        None => list.push(entry),
    }
}

fn set_workdir(config: &mut Object, path: &str) {
    let before = config.get("WorkingDir").and_then(Value::as_str).unwrap_or_default();
    let dir = path::clean(&path::change_dir(before, path));
    set(config, "WorkingDir", dir);
}

fn ensure_path(root: &Object, config: &mut Object) {
    let windows = root.get("os").and_then(Value::as_str) == Some("windows");
    let list = config.get("Env").and_then(Value::as_array);
    let present = list
        .into_iter()
        .flatten()
        .any(|v| v.as_str().is_some_and(|v| v.starts_with("PATH=")));
    if !windows && !present {
        let list = config.entry("Env").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.insert(0, DEFAULT_PATH.into());
        }
    }
}

fn add_keys(config: &mut Object, key: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let mut present = take_object(config, key);
    for name in names {
        present.entry(name.as_str()).or_insert_with(|| json!({}));
    }
    set(config, key, present);
}

fn healthcheck_json(healthcheck: &Healthcheck) -> Object {
    let mut object = Object::new();
    set(&mut object, "Test", healthcheck.test.clone());
    for (key, value) in [
        ("Interval", healthcheck.interval),
        ("Timeout", healthcheck.timeout),
        ("StartPeriod", healthcheck.start_period),
        ("StartInterval", healthcheck.start_interval),
        ("Retries", healthcheck.retries),
    ] {
        if value != 0 {
            set(&mut object, key, value);
        }
    }
    object
}

fn set(object: &mut Object, key: &str, value: impl Into<Value>) {
    object.insert(key.to_owned(), value.into());
}

/// Takes an object out; what is none counts as empty.
fn take_object(object: &mut Object, key: &str) -> Object {
    match object.remove(key) {
        Some(Value::Object(inner)) => inner,
        _ => Object::new(),
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut pairs: Vec<(String, Value)> = object.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(pairs.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{ImageSource, ResolveMode};
    use crate::pins::ResolvedImage;

    const BASE: &str = r#"{"architecture":"amd64","os":"linux","created":"2024-01-01T00:00:00Z","config":{
        "Env":["PATH=/bin","A=1"],"Cmd":["sh"],"WorkingDir":"/srv","User":"app","Shell":["/bin/ash","-c"],
        "Labels":{"a":"1"},"OnBuild":["RUN x"],"ExposedPorts":{"80/tcp":{}}},
        "rootfs":{"type":"layers","diff_ids":["sha256:aa"]},"history":[{"created_by":"x"}]}"#;

    fn check(change: impl FnOnce(&mut Graph, State) -> State, overlay: &ConfigOverlay) -> String {
        let root = composed(BASE, &Platform::linux_amd64(), None, change, overlay);
        format!("{root:#}")
    }

    fn composed(
        base: &str,
        target: &Platform,
        asked: Option<&Platform>,
        change: impl FnOnce(&mut Graph, State) -> State,
        overlay: &ConfigOverlay,
    ) -> Value {
        let reference: crate::Reference = "alpine".parse().unwrap();
        let mut pins = Pins::new();
        pins.insert_image(
            reference.clone(),
            target.clone(),
            ResolvedImage {
                reference: None,
                digest: format!("sha256:{}", "1".repeat(64)).parse().ok(),
                config: base.into(),
            },
        );
        let mut graph = Graph::new();
        let at = graph.intern_stack(&[]);
        let image = graph.image(
            ImageSource {
                reference,
                platform: None,
                resolve_mode: ResolveMode::Default,
                resolve_digest: true,
                layer_limit: None,
                checksum: None,
            },
            at,
        );
        let state = change(&mut graph, image);
        let bytes = compose(&graph, state, overlay, target, asked, &pins);
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_platform_is_named_as_it_was_asked_for() {
        let named = |base: &str, target: &str| {
            let target = target.parse().unwrap();
            let root = composed(base, &target, None, |_, s| s, &ConfigOverlay::default());
            format!("{} {} {}", root["os"], root["architecture"], root["variant"])
        };
        let v8 = r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#;
        assert_eq!(named(v8, "linux/arm64"), r#""linux" "arm64" null"#);
        let arm = r#"{"os":"linux","architecture":"arm"}"#;
        assert_eq!(named(arm, "linux/arm/v6"), r#""linux" "arm" "v6""#);
        let other = r#"{"os":"linux","architecture":"x86_64"}"#;
        assert_eq!(named(other, "linux/arm/v7"), r#""linux" "amd64" null"#);
    }

    #[test]
    fn what_was_asked_for_counts_rather_than_the_bases_platform() {
        let named = |base: &str, asked: &str| {
            let asked: Platform = asked.parse().unwrap();
            let root = composed(base, &asked, Some(&asked), |_, s| s, &ConfigOverlay::default());
            let parts = ["os", "architecture", "variant", "os.version"].map(|key| root[key].to_string());
            parts.join(" ")
        };
        let amd64 = r#"{"os":"linux","architecture":"amd64","variant":"v2","os.version":"1"}"#;
        assert_eq!(named(amd64, "linux/arm/v7"), r#""linux" "arm" "v7" null"#);
        assert_eq!(named(amd64, "linux/arm64"), r#""linux" "arm64" null null"#);
        assert_eq!(named(amd64, "linux/amd64"), r#""linux" "amd64" "v2" "1""#);
        let v6 = r#"{"os":"linux","architecture":"arm","variant":"v6"}"#;
        let (base, asked) = ("linux/arm/v6".parse().unwrap(), "linux/arm/v7".parse().unwrap());
        let root = composed(v6, &base, Some(&asked), |_, s| s, &ConfigOverlay::default());
        assert_eq!(root["variant"], "v7");
    }

    #[test]
    fn the_scripts_own_words_count_most() {
        let overlay = ConfigOverlay {
            arch: Some("s390x".to_owned()),
            ..ConfigOverlay::default()
        };
        let arm: Platform = "linux/arm64".parse().unwrap();
        let root = composed(BASE, &arm, Some(&arm), |_, s| s, &overlay);
        assert_eq!(root["architecture"], "s390x");
    }

    #[test]
    fn keeps_what_the_base_says_but_its_time_and_triggers() {
        insta::assert_snapshot!(check(|_, s| s, &ConfigOverlay::default()), @r#"
        {
          "architecture": "amd64",
          "config": {
            "Cmd": [
              "sh"
            ],
            "Env": [
              "PATH=/bin",
              "A=1"
            ],
            "ExposedPorts": {
              "80/tcp": {}
            },
            "Labels": {
              "a": "1"
            },
            "Shell": [
              "/bin/ash",
              "-c"
            ],
            "User": "app",
            "WorkingDir": "/srv"
          },
          "history": [
            {
              "created_by": "x"
            }
          ],
          "os": "linux",
          "rootfs": {
            "diff_ids": [
              "sha256:aa"
            ],
            "type": "layers"
          }
        }
        "#);
    }

    #[test]
    fn lays_states_and_export_over_the_base() {
        let overlay = ConfigOverlay {
            entrypoint: Some(CmdForm::Shell("exec app".to_owned())),
            env: vec![("A".to_owned(), "3".to_owned())],
            workdir: Some("bin/".to_owned()),
            expose: vec!["8080/tcp".to_owned()],
            labels: [("b".to_owned(), "2".to_owned())].into(),
            ..ConfigOverlay::default()
        };
        let change = |graph: &mut Graph, s: State| {
            let s = graph.with_env(
                s,
                vec![("A".to_owned(), "2".to_owned()), ("B".to_owned(), "x".to_owned())],
            );
            let s = graph.with_workdir(s, "lib".to_owned());
            graph.with_user(s, "root".to_owned())
        };
        insta::assert_snapshot!(check(change, &overlay), @r#"
        {
          "architecture": "amd64",
          "config": {
            "Entrypoint": [
              "/bin/ash",
              "-c",
              "exec app"
            ],
            "Env": [
              "PATH=/bin",
              "A=3",
              "B=x"
            ],
            "ExposedPorts": {
              "80/tcp": {},
              "8080/tcp": {}
            },
            "Labels": {
              "a": "1",
              "b": "2"
            },
            "Shell": [
              "/bin/ash",
              "-c"
            ],
            "User": "root",
            "WorkingDir": "/srv/lib/bin"
          },
          "history": [
            {
              "created_by": "x"
            }
          ],
          "os": "linux",
          "rootfs": {
            "diff_ids": [
              "sha256:aa"
            ],
            "type": "layers"
          }
        }
        "#);
    }

    #[test]
    fn an_empty_image_has_a_path_and_a_directory() {
        let change = |graph: &mut Graph, _| graph.scratch();
        insta::assert_snapshot!(check(change, &ConfigOverlay::default()), @r#"
        {
          "architecture": "amd64",
          "config": {
            "Env": [
              "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            ],
            "WorkingDir": "/"
          },
          "os": "linux",
          "rootfs": {
            "diff_ids": [],
            "type": "layers"
          }
        }
        "#);
    }
}
