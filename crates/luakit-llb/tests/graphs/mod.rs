//! Graphs for tests: a script's worth of calls, each from a line of its own.

#![allow(dead_code, reason = "not every test binary uses all of it")]

use luakit_llb::marshal::{NoCache, Options, marshal};
use luakit_llb::op::{
    CacheSharing, Command, Copy, FileAction, ImageSource, LocalSource, Mkdir, Mount, MountKind, Owner, OwnerId,
    ResolveMode, Run, Secret, SecretFile,
};
use luakit_llb::{Definition, Frame, Graph, Metadata, Pins, Platform, ResolvedImage, SourceText, StackId, State};

pub(crate) struct Script {
    pub(crate) graph: Graph,
    file: luakit_llb::graph::FileId,
    line: u32,
}

impl Script {
    pub(crate) fn new() -> Self {
        let mut graph = Graph::new();
        let file = graph.add_file(SourceText {
            name: "build.lua".to_owned(),
            data: b"-- the script\n".as_slice().into(),
        });
        Self { graph, file, line: 0 }
    }

    pub(crate) fn at(&mut self) -> StackId {
        self.line += 1;
        self.graph.intern_stack(&[Frame {
            file: self.file,
            line: self.line,
        }])
    }

    /// A place in another file, called from the script's next line.
    pub(crate) fn at_module(&mut self, name: &str, line: u32) -> StackId {
        self.line += 1;
        let module = self.graph.add_file(SourceText {
            name: name.to_owned(),
            data: name.as_bytes().into(),
        });
        let outer = Frame {
            file: self.file,
            line: self.line,
        };
        self.graph.intern_stack(&[Frame { file: module, line }, outer])
    }

    pub(crate) fn image(&mut self, name: &str, platform: Option<&str>) -> State {
        let at = self.at();
        self.image_at(name, platform, at)
    }

    pub(crate) fn image_at(&mut self, name: &str, platform: Option<&str>, at: StackId) -> State {
        let source = ImageSource {
            reference: name.parse().unwrap(),
            platform: platform.map(|p| p.parse().unwrap()),
            resolve_mode: ResolveMode::Default,
            resolve_digest: true,
            layer_limit: None,
            checksum: None,
        };
        self.graph.image(source, at)
    }

    pub(crate) fn local(&mut self, name: &str) -> State {
        let at = self.at();
        let source = LocalSource {
            name: name.to_owned(),
            exclude: vec![".git".to_owned()],
            ..LocalSource::default()
        };
        self.graph.local(source, at)
    }

    pub(crate) fn run(&mut self, state: State, text: &str) -> State {
        self.run_with(state, text, |_| {})
    }

    pub(crate) fn run_with(&mut self, state: State, text: &str, change: impl FnOnce(&mut Run)) -> State {
        let at = self.at();
        let mut run = Run::new(Command::Shell(text.to_owned()));
        change(&mut run);
        self.graph.run(state, run, Metadata::default(), at)
    }

    pub(crate) fn copy(&mut self, to: State, from: State, src: &str, dest: &str) -> State {
        let at = self.at();
        let copy = Copy {
            owner: Some(Owner {
                user: Some(OwnerId::Name("app".to_owned())),
                group: Some(OwnerId::Id(0)),
            }),
            ..plain_copy(from, src, dest)
        };
        self.graph.file(to, vec![FileAction::Copy(copy)], at)
    }

    pub(crate) fn mkdir(&mut self, state: State, path: &str) -> State {
        let at = self.at();
        let mkdir = Mkdir {
            path: path.to_owned(),
            mode: 0o755,
            make_parents: true,
            owner: None,
            created: None,
        };
        self.graph.file(state, vec![FileAction::Mkdir(mkdir)], at)
    }

    pub(crate) fn merge(&mut self, states: &[State]) -> State {
        let at = self.at();
        self.graph.merge(states, at)
    }

    pub(crate) fn diff(&mut self, lower: State, upper: State) -> State {
        let at = self.at();
        self.graph.diff(lower, upper, at)
    }

    pub(crate) fn describe(&mut self, state: State, text: &str) -> State {
        let metadata = Metadata {
            description: Some(text.to_owned()),
            ..Metadata::default()
        };
        self.graph.with_metadata(state, metadata)
    }

    pub(crate) fn definition(&self, state: State) -> Definition {
        self.definition_for(state, "linux/amd64")
    }

    pub(crate) fn definition_for(&self, state: State, platform: &str) -> Definition {
        self.definition_pinned(state, platform, &Pins::new())
    }

    pub(crate) fn definition_pinned(&self, state: State, platform: &str, pins: &Pins) -> Definition {
        let options = Options {
            platform: &platform.parse().unwrap(),
            pins,
            local_unique: "test",
            context_excludes: &[],
            run_defaults: None,
            no_cache: NoCache::AsWritten,
            resolve_mode: ResolveMode::Default,
        };
        marshal(&self.graph, state, &options)
    }
}

pub(crate) fn plain_copy(from: State, src: &str, dest: &str) -> Copy {
    Copy {
        from,
        src: src.to_owned(),
        dest: dest.to_owned(),
        mode: None,
        owner: None,
        follow_symlink: true,
        create_dest_path: true,
        allow_wildcard: true,
        allow_empty_wildcard: false,
        copy_dir_contents: true,
        attempt_unpack: false,
        always_replace: false,
        required_paths: Vec::new(),
        include: Vec::new(),
        exclude: Vec::new(),
        created: None,
    }
}

pub(crate) fn cache(dest: &str) -> Mount {
    Mount {
        dest: dest.to_owned(),
        kind: MountKind::Cache {
            id: format!("/{dest}"),
            sharing: CacheSharing::Locked,
            from: None,
            selector: None,
        },
    }
}

pub(crate) fn bind(state: State, dest: &str, readonly: bool) -> Mount {
    Mount {
        dest: dest.to_owned(),
        kind: MountKind::Bind {
            state,
            selector: None,
            readonly,
        },
    }
}

/// Something of every kind that a view tells apart.
pub(crate) fn app(script: &mut Script) -> State {
    let builder = script.image("golang:1.21", None);
    let context = script.local("context");
    let source = script.copy(builder, context, ".", "/app");
    let fixtures = script.image("busybox", Some("linux/arm64"));
    let built = script.run_with(source, "go build -o /out/app .\necho \"done <&>\"", |run| {
        run.cwd = Some("/app".to_owned());
        run.user = Some("nobody".to_owned());
        run.mounts = vec![cache("/root/.cache"), bind(fixtures, "/fixtures", false)];
        run.secrets = vec![Secret {
            id: "token".to_owned(),
            file: Some(SecretFile {
                dest: "/run/secrets/token".to_owned(),
                uid: 0,
                gid: 0,
                mode: 0o400,
            }),
            env: Some("TOKEN".to_owned()),
            optional: false,
        }];
        run.network = Some(luakit_llb::op::Network::None);
    });
    let touched = script.graph.run_output(built, "/fixtures").unwrap();
    let built = script.describe(built, "build \"the app\"");
    let metadata = Metadata {
        ignore_cache: true,
        export_cache: Some(false),
        ..Metadata::default()
    };
    let base = script.image("alpine:3.19", None);
    let base = script.graph.with_metadata(base, metadata);
    let changed = script.run(base, "apk add curl");
    let added = script.diff(base, changed);
    let merged = script.merge(&[base, added, touched]);
    script.copy(merged, built, "/out/app", "/app/server")
}

pub(crate) fn pin(pins: &mut Pins, name: &str, platform: &str, config: &str) {
    let platform: Platform = platform.parse().unwrap();
    let image = ResolvedImage {
        reference: None,
        digest: format!("sha256:{}", "ab".repeat(32)).parse().ok(),
        config: config.as_bytes().to_vec(),
    };
    pins.insert_image(name.parse().unwrap(), platform, image);
}
