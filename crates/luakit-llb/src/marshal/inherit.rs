//! What a state hands on, once the images are known: chains of [`Values`] turned into what a run sees.

use std::rc::Rc;

use crate::graph::{Graph, VertexId};
use crate::image_config::BaseConfig;
use crate::path;
use crate::pins::Pins;
use crate::platform::Platform;
use crate::values::{Origin, Values, ValuesId};

/// What a run sees of the state that it runs on.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited {
    /// Variables, in the order of each name's last assignment.
    pub(super) env: Rc<Env>,
    /// The working directory; empty is `/` that nobody has set.
    pub(super) dir: String,
    /// The user; empty is root.
    pub(super) user: String,
    /// What shell-form commands are handed to; `None` is `/bin/sh -c`.
    pub(super) shell: Option<Rc<[String]>>,
    /// The platform, where something other than the target decides it.
    pub(super) platform: Option<RunPlatform>,
}

/// The platform of a run.
#[derive(Debug, Clone)]
pub(super) struct RunPlatform {
    pub(super) platform: Platform,
    /// Of a Windows image's config.
    pub(super) os_version: String,
    pub(super) os_features: Vec<String>,
    /// Whether the script said it, rather than the target.
    pub(super) explicit: bool,
}

/// Variables, in the order of each name's last assignment.
#[derive(Debug, Clone, Default)]
pub(super) struct Env(Vec<(String, String)>);

impl Env {
    /// Sets a variable; it moves to the end.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(present, _)| present != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(present, _)| present == name)
    }

    /// As `NAME=value` entries.
    pub(super) fn to_entries(&self) -> Vec<String> {
        // By far the most strings of a definition are made here: each in one allocation.
        let entry = |(name, value): &(String, String)| [name, "=", value].concat();
        self.0.iter().map(entry).collect()
    }
}

/// Reads values chains, each node once.
pub(super) struct Inheritance<'a> {
    graph: &'a Graph,
    pins: &'a Pins,
    target: &'a Platform,
    memo: Vec<Option<Rc<Inherited>>>,
}

impl<'a> Inheritance<'a> {
    pub(super) fn new(graph: &'a Graph, pins: &'a Pins, target: &'a Platform) -> Self {
        Self {
            graph,
            pins,
            target,
            memo: vec![None; graph.values_len()],
        }
    }

    /// What a state with these values hands on.
    pub(super) fn of(&mut self, id: ValuesId) -> Rc<Inherited> {
        // Up to a node that is known, then back down: chains are as long as scripts make them.
        let mut pending = Vec::new();
        let mut cursor = id;
        let mut present = loop {
            if let Some(Some(known)) = self.memo.get(cursor.0 as usize) {
                break Rc::clone(known);
            }
            let values = self.graph.values(cursor);
            if let Some(parent) = values.parent() {
                pending.push(cursor);
                cursor = parent;
                continue;
            }
            let beginning = match values {
                Values::Image(vertex) => self.of_image(*vertex),
                Values::Foreign(origin) => of_origin(origin),
                _ => Inherited::default(),
            };
            break self.remember(cursor, beginning);
        };
        for id in pending.into_iter().rev() {
            let changed = change(&present, self.graph.values(id));
            present = self.remember(id, changed);
        }
        present
    }

    fn remember(&mut self, id: ValuesId, inherited: Inherited) -> Rc<Inherited> {
        let inherited = Rc::new(inherited);
        if let Some(slot) = self.memo.get_mut(id.0 as usize) {
            *slot = Some(Rc::clone(&inherited));
        }
        inherited
    }

    fn of_image(&self, vertex: VertexId) -> Inherited {
        let op = &self.graph.vertex(vertex).op;
        let asked = op.image_platform();
        let mut inherited = Inherited {
            platform: asked.map(|platform| RunPlatform {
                platform: platform.clone(),
                os_version: String::new(),
                os_features: Vec::new(),
                explicit: true,
            }),
            ..Inherited::default()
        };
        let Some(config) = self.pins.config_of(op, asked.unwrap_or(self.target)) else {
            return inherited;
        };
        inherit_config(&mut inherited, config, asked.is_some());
        inherited
    }
}

/// What another client's state hands on. Nothing of it follows the target.
fn of_origin(origin: &Origin) -> Inherited {
    let said = origin.platform.as_ref();
    let platform = said.and_then(|said| {
        Some(RunPlatform {
            platform: Platform::of_config(&said.os, &said.architecture, &said.variant)?,
            os_version: said.os_version.clone(),
            os_features: said.os_features.clone(),
            explicit: true,
        })
    });
    let mut inherited = Inherited {
        platform,
        ..Inherited::default()
    };
    if let Some(config) = &origin.config {
        inherit_config(&mut inherited, config, true);
    }
    inherited
}

/// Takes over what an image's config says. `explicit` is whether its platform is one that somebody asked for.
fn inherit_config(inherited: &mut Inherited, config: &[u8], explicit: bool) {
    let config = BaseConfig::read(config);
    let mut env = Env::default();
    for entry in &config.env {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        if !name.is_empty() {
            env.set(name, value);
        }
    }
    inherited.env = Rc::new(env);
    inherited.dir = path::change_dir("", &config.working_dir);
    inherited.user = config.user;
    inherited.shell = (!config.shell.is_empty()).then(|| config.shell.into());
    if let Some(platform) = Platform::of_config(&config.os, &config.architecture, &config.variant) {
        inherited.platform = Some(RunPlatform {
            platform,
            os_version: config.os_version,
            os_features: config.os_features,
            explicit,
        });
    }
}

fn change(before: &Inherited, change: &Values) -> Inherited {
    let mut after = before.clone();
    match change {
        Values::Empty | Values::Image(_) | Values::Foreign(_) => {}
        Values::Env { vars, .. } => {
            let mut env = (*after.env).clone();
            for (name, value) in vars {
                env.set(name, value);
            }
            after.env = Rc::new(env);
        }
        Values::Workdir { path: to, .. } => after.dir = path::change_dir(&before.dir, to),
        Values::User { user, .. } => after.user.clone_from(user),
        Values::Shell { shell, .. } => after.shell = Some(shell.as_slice().into()),
        Values::Platform { platform, .. } => {
            after.platform = Some(RunPlatform {
                platform: platform.clone(),
                os_version: String::new(),
                os_features: Vec::new(),
                explicit: true,
            });
        }
    }
    after
}
