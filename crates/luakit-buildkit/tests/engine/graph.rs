//! Definitions by hand: just enough of them to have something to build.

use luakit_proto::map::entries;
use luakit_proto::{Message as _, pb};
use sha2::{Digest as _, Sha256};

/// One output of one op.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) digest: String,
    /// All ops up to this one, inputs first.
    ops: Vec<(String, Vec<u8>, pb::OpMetadata)>,
}

/// The platform of the machine that the engine runs on.
pub(crate) fn platform(text: &str) -> pb::Platform {
    let platform: luakit_llb::Platform = text.parse().unwrap();
    pb::Platform {
        architecture: platform.arch().to_owned(),
        os: platform.os().to_owned(),
        variant: platform.variant().to_owned(),
        ..pb::Platform::default()
    }
}

impl Node {
    fn new(op: pb::Op, inputs: &[&Node], caps: &[&str]) -> Self {
        let op = pb::Op {
            constraints: Some(pb::WorkerConstraints::default()),
            ..op
        };
        let bytes = op.encode_to_vec();
        let digest = digest(&bytes);
        let metadata = pb::OpMetadata {
            caps: entries(caps.iter().map(|cap| (*cap, true))),
            ..pb::OpMetadata::default()
        };
        let mut ops = Vec::new();
        for op in inputs.iter().flat_map(|input| &input.ops) {
            if !ops.contains(op) {
                ops.push(op.clone());
            }
        }
        ops.push((digest.clone(), bytes, metadata));
        Self { digest, ops }
    }

    pub(crate) fn local(name: &str, attrs: &[(&str, &str)]) -> Self {
        let source = pb::SourceOp {
            identifier: format!("local://{name}"),
            attrs: entries(attrs.iter().map(|(k, v)| (*k, (*v).to_owned()))),
        };
        let op = pb::Op {
            op: Some(pb::op::Op::Source(source)),
            ..pb::Op::default()
        };
        Self::new(op, &[], &["source.local"])
    }

    pub(crate) fn image(reference: &str, on: &str) -> Self {
        let source = pb::SourceOp {
            identifier: format!("docker-image://{reference}"),
            attrs: Vec::new(),
        };
        let op = pb::Op {
            op: Some(pb::op::Op::Source(source)),
            platform: Some(platform(on)),
            ..pb::Op::default()
        };
        Self::new(op, &[], &["source.image"])
    }

    pub(crate) fn oci_layout(reference: &str, store: &str, on: &str) -> Self {
        let attrs = [("oci.store", store.to_owned())];
        Self::source(
            &format!("oci-layout://{reference}"),
            entries(attrs),
            on,
            "source.ocilayout",
        )
    }

    pub(crate) fn http(url: &str, filename: &str) -> Self {
        let attrs = [("http.filename", filename.to_owned())];
        Self::source(url, entries(attrs), "linux/amd64", "source.http")
    }

    fn source(identifier: &str, attrs: Vec<pb::StringEntry>, on: &str, cap: &str) -> Self {
        let source = pb::SourceOp {
            identifier: identifier.to_owned(),
            attrs,
        };
        let op = pb::Op {
            op: Some(pb::op::Op::Source(source)),
            platform: Some(platform(on)),
            ..pb::Op::default()
        };
        Self::new(op, &[], &[cap])
    }

    pub(crate) fn run(&self, command: &str, on: &str) -> Self {
        self.run_mounting(command, on, None)
    }

    /// A run with one more mount.
    pub(crate) fn run_with(&self, command: &str, on: &str, mount: pb::Mount) -> Self {
        self.run_mounting(command, on, Some(mount))
    }

    fn run_mounting(&self, command: &str, on: &str, mount: Option<pb::Mount>) -> Self {
        let exec = pb::ExecOp {
            meta: Some(pb::Meta {
                args: ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
                env: vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()],
                cwd: "/".into(),
                remove_mount_stubs_recursive: true,
                ..pb::Meta::default()
            }),
            mounts: [pb::Mount {
                dest: "/".into(),
                ..pb::Mount::default()
            }]
            .into_iter()
            .chain(mount)
            .collect(),
            ..pb::ExecOp::default()
        };
        let op = pb::Op {
            inputs: vec![pb::Input {
                digest: self.digest.clone(),
                index: 0,
            }],
            op: Some(pb::op::Op::Exec(exec)),
            platform: Some(platform(on)),
            ..pb::Op::default()
        };
        Self::new(op, &[self], &["exec.meta.base", "exec.mount.bind"])
    }

    /// A file on nothing.
    pub(crate) fn file(path: &str, data: impl Into<Vec<u8>>) -> Self {
        let mkfile = pb::FileActionMkFile {
            path: path.to_owned(),
            mode: 0o640,
            data: data.into(),
            timestamp: -1,
            ..pb::FileActionMkFile::default()
        };
        let action = pb::FileAction {
            input: -1,
            secondary_input: -1,
            output: 0,
            action: Some(pb::file_action::Action::Mkfile(mkfile)),
        };
        let op = pb::Op {
            op: Some(pb::op::Op::File(pb::FileOp { actions: vec![action] })),
            ..pb::Op::default()
        };
        Self::new(op, &[], &["file.base"])
    }

    /// The same op with other metadata.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut pb::OpMetadata)) -> Self {
        if let Some((_, _, metadata)) = self.ops.last_mut() {
            change(metadata);
        }
        self
    }

    /// The graph, with this as its result, from line 7 of `build.lua`.
    pub(crate) fn definition(&self) -> pb::Definition {
        let end = pb::Op {
            inputs: vec![pb::Input {
                digest: self.digest.clone(),
                index: 0,
            }],
            ..pb::Op::default()
        };
        let position = |line| Some(pb::Position { line, character: 0 });
        let range = pb::Range {
            start: position(7),
            end: position(8),
        };
        let here = pb::Locations {
            locations: vec![pb::Location {
                source_index: 0,
                ranges: vec![range],
            }],
        };
        let location = |digest: &String| {
            (
                digest.clone(),
                if *digest == self.digest {
                    here.clone()
                } else {
                    pb::Locations::default()
                },
            )
        };
        pb::Definition {
            def: self
                .ops
                .iter()
                .map(|(_, bytes, _)| bytes.clone())
                .chain([end.encode_to_vec()])
                .collect(),
            metadata: entries(
                self.ops
                    .iter()
                    .map(|(digest, _, metadata)| (digest.clone(), metadata.clone())),
            ),
            source: Some(pb::Source {
                locations: entries(self.ops.iter().map(|(digest, ..)| location(digest))),
                infos: vec![pb::SourceInfo {
                    filename: "build.lua".into(),
                    data: b"the script".to_vec(),
                    language: "Lua".into(),
                    ..pb::SourceInfo::default()
                }],
            }),
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
