//! Capabilities: what a definition needs of an engine, against what the engine says it has.
//!
//! Clients note capabilities in each op's metadata. Engines check them too, but one at a time and without
//! saying which step wants it. The notes are corrected first, for engines that lack something: one that is
//! missing is added, one that asks for what every engine does is dropped. No digest depends on them.

use std::collections::{BTreeMap, BTreeSet};

use luakit_proto::map::{Entry as _, map};
use luakit_proto::{Message as _, apicaps, pb};
use sha2::{Digest as _, Sha256};

use crate::error::MissingCap;

/// What is needed of the gateway to bring results and their configs back.
const GATEWAY: [&str; 4] = ["solve.base", "return", "returnmap", "proto.refarray"];

/// What engines knew before they said what they know. Frozen:
/// <https://github.com/moby/buildkit/blob/master/frontend/gateway/grpcclient/client.go>.
const ASSUMED: [&str; 29] = [
    "source.image",
    "source.local",
    "source.local.unique",
    "source.local.sessionid",
    "source.local.includepatterns",
    "source.local.followpaths",
    "source.local.excludepatterns",
    "source.local.sharedkeyhint",
    "source.git",
    "source.git.keepgitdir",
    "source.git.fullurl",
    "source.http",
    "source.http.checksum",
    "source.http.perm",
    "soruce.http.uidgid",
    "source.buildop.llbfilename",
    "exec.meta.base",
    "exec.meta.proxyenv",
    "exec.mount.bind",
    "exec.mount.cache",
    "exec.mount.cache.sharing",
    "exec.mount.selector",
    "exec.mount.tmpfs",
    "exec.mount.secret",
    "constraints",
    "platform",
    "meta.ignorecache",
    "meta.description",
    "meta.exportcache",
];

/// The capability to run several exporters in one build.
const SEVERAL_EXPORTS: &str = "exporter.multiple";

/// The capability to take other exit codes than 0 for success.
const EXIT_CODES: &str = "exec.validexitcode";

/// What file ops may need besides `file.base`. Clients do not note it (`client/llb` looks for it too early), and an
/// engine without it would ignore what it doesn't know.
const SYMLINK: &str = "file.symlink.create";
const COPY_PATTERNS: &str = "file.copy.includeexcludepatterns";
const COPY_ALWAYS_REPLACE: &str = "file.copy.alwaysreplaceexistingdestpaths";
const COPY_MODE_STRING: &str = "file.copy.modestring";
const COPY_REQUIRED_PATHS: &str = "file.copy.requiredpaths";
const FILE: [&str; 5] = [
    SYMLINK,
    COPY_PATTERNS,
    COPY_ALWAYS_REPLACE,
    COPY_MODE_STRING,
    COPY_REQUIRED_PATHS,
];

/// What an engine can do with definitions.
pub(crate) struct Known(BTreeSet<String>);

impl Known {
    pub(crate) fn new(llb: &[apicaps::ApiCap]) -> Self {
        if llb.is_empty() {
            Self(ASSUMED.iter().map(|c| (*c).to_owned()).collect())
        } else {
            Self(enabled(llb))
        }
    }

    /// A definition with the notes that are true of this engine.
    pub(crate) fn correct(&self, mut definition: pb::Definition) -> pb::Definition {
        let lacks = |cap: &str| !self.0.contains(cap);
        if !lacks(EXIT_CODES) && !FILE.into_iter().any(lacks) {
            return definition;
        }
        let mut zero_alone = BTreeSet::new();
        let mut not_noted: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
        for bytes in &definition.def {
            let digest = || format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
            match pb::Op::decode(bytes.as_slice()).ok().and_then(|op| op.op) {
                Some(pb::op::Op::Exec(exec)) if exec.meta.as_ref().is_some_and(|meta| meta.valid_exit_codes == [0]) => {
                    zero_alone.insert(digest());
                }
                Some(pb::op::Op::File(file)) => {
                    let needed: BTreeSet<_> = file
                        .actions
                        .iter()
                        .flat_map(needed_by)
                        .filter(|cap| lacks(cap))
                        .collect();
                    if !needed.is_empty() {
                        not_noted.insert(digest(), needed);
                    }
                }
                _ => {}
            }
        }
        for entry in &mut definition.metadata {
            let digest = entry.key().to_owned();
            let Some(metadata) = &mut entry.value else { continue };
            if lacks(EXIT_CODES) && zero_alone.contains(&digest) {
                metadata.caps.retain(|cap| cap.key() != EXIT_CODES);
            }
            let needed = not_noted.get(&digest).into_iter().flatten();
            metadata.caps.extend(needed.map(|cap| pb::CapEntry::new(*cap, true)));
        }
        definition
    }
}

fn needed_by(action: &pb::FileAction) -> Vec<&'static str> {
    match &action.action {
        Some(pb::file_action::Action::Symlink(_)) => vec![SYMLINK],
        Some(pb::file_action::Action::Copy(copy)) => {
            let patterns = !copy.include_patterns.is_empty() || !copy.exclude_patterns.is_empty();
            let asked = [
                (patterns, COPY_PATTERNS),
                (copy.always_replace_existing_dest_paths, COPY_ALWAYS_REPLACE),
                (!copy.mode_str.is_empty(), COPY_MODE_STRING),
                (!copy.required_paths.is_empty(), COPY_REQUIRED_PATHS),
            ];
            asked
                .into_iter()
                .filter(|(asked, _)| *asked)
                .map(|(_, cap)| cap)
                .collect()
        }
        _ => Vec::new(),
    }
}

fn enabled(caps: &[apicaps::ApiCap]) -> BTreeSet<String> {
    caps.iter().filter(|c| c.enabled).map(|c| c.id.clone()).collect()
}

/// What of `definitions` and of bringing their results back the engine lacks, sorted by name.
pub(crate) fn missing<'a>(
    definitions: impl IntoIterator<Item = &'a pb::Definition>,
    exports: usize,
    gateway: &[apicaps::ApiCap],
    Known(known): &Known,
) -> Vec<MissingCap> {
    let mut missing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for definition in definitions {
        for entry in &definition.metadata {
            let Some(metadata) = &entry.value else { continue };
            for (cap, needed) in map(metadata.caps.iter().cloned()) {
                if needed && !known.contains(&cap) {
                    missing.entry(cap).or_default().insert(entry.key().to_owned());
                }
            }
        }
    }
    let gateway = enabled(gateway);
    for cap in GATEWAY.into_iter().filter(|c| !gateway.contains(*c)) {
        missing.entry(cap.to_owned()).or_default();
    }
    if exports > 1 && !known.contains(SEVERAL_EXPORTS) {
        missing.entry(SEVERAL_EXPORTS.to_owned()).or_default();
    }
    let list = |(cap, vertices): (String, BTreeSet<String>)| MissingCap {
        cap,
        vertices: vertices.into_iter().collect(),
    };
    missing.into_iter().map(list).collect()
}

#[cfg(test)]
mod tests {
    use luakit_proto::map::entries;

    use super::*;

    fn caps(ids: &[&str]) -> Vec<apicaps::ApiCap> {
        let cap = |id: &&str| apicaps::ApiCap {
            id: (*id).to_owned(),
            enabled: true,
            ..Default::default()
        };
        ids.iter().map(cap).collect()
    }

    #[test]
    fn what_is_missing() {
        let metadata = |caps: &[&str]| pb::OpMetadata {
            caps: entries(caps.iter().map(|c| (*c, true))),
            ..pb::OpMetadata::default()
        };
        let definition = pb::Definition {
            metadata: entries([
                ("sha256:a", metadata(&["mergeop", "constraints"])),
                ("sha256:b", metadata(&["mergeop", "exec.validexitcode"])),
            ]),
            ..pb::Definition::default()
        };
        let old = missing([&definition], 2, &caps(&GATEWAY), &Known::new(&[]));
        let names = |m: &[MissingCap]| -> Vec<(String, usize)> {
            m.iter().map(|m| (m.cap.clone(), m.vertices.len())).collect()
        };
        let expect = [("exec.validexitcode", 1), ("exporter.multiple", 0), ("mergeop", 2)];
        assert_eq!(names(&old), expect.map(|(c, n)| (c.to_owned(), n)));

        let mut some = caps(&["constraints", "mergeop", "exec.validexitcode", "exporter.multiple"]);
        assert_eq!(missing([&definition], 2, &caps(&GATEWAY), &Known::new(&some)), []);
        if let Some(merge) = some.iter_mut().find(|c| c.id == "mergeop") {
            merge.enabled = false;
        }
        assert_eq!(
            names(&missing([&definition], 2, &caps(&GATEWAY[1..]), &Known::new(&some))),
            [("mergeop".to_owned(), 2), ("solve.base".to_owned(), 0),]
        );
    }

    /// One op, and whether an engine that knows `some` lacks what.
    fn check(op: pb::op::Op, noted: &[&str], some: &[&str], expect: &[&str]) {
        let op = pb::Op {
            op: Some(op),
            ..pb::Op::default()
        };
        let bytes = op.encode_to_vec();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        let metadata = pb::OpMetadata {
            caps: entries(noted.iter().map(|c| (*c, true))),
            ..pb::OpMetadata::default()
        };
        let definition = pb::Definition {
            def: vec![bytes],
            metadata: entries([(digest, metadata)]),
            ..pb::Definition::default()
        };
        let known = Known::new(&caps(some));
        let corrected = known.correct(definition.clone());
        assert_eq!(corrected.def, definition.def);
        let missing = missing([&corrected], 1, &caps(&GATEWAY), &known);
        let names: Vec<&str> = missing.iter().map(|m| m.cap.as_str()).collect();
        assert_eq!(names, expect);
    }

    fn exec(valid_exit_codes: &[i32]) -> pb::op::Op {
        pb::op::Op::Exec(pb::ExecOp {
            meta: Some(pb::Meta {
                valid_exit_codes: valid_exit_codes.to_vec(),
                ..pb::Meta::default()
            }),
            ..pb::ExecOp::default()
        })
    }

    #[test]
    fn zero_is_a_success_everywhere() {
        let noted = ["exec.meta.base", EXIT_CODES];
        check(exec(&[0]), &noted, &["exec.meta.base"], &[]);
        check(exec(&[0, 1]), &noted, &["exec.meta.base"], &[EXIT_CODES]);
        check(exec(&[0, 1]), &noted, &noted, &[]);
    }

    #[test]
    fn symlinks_are_asked_for_where_no_client_does() {
        let link = || {
            pb::op::Op::File(pb::FileOp {
                actions: vec![pb::FileAction {
                    action: Some(pb::file_action::Action::Symlink(pb::FileActionSymlink::default())),
                    ..pb::FileAction::default()
                }],
            })
        };
        check(link(), &["file.base"], &["file.base"], &[SYMLINK]);
        check(link(), &["file.base"], &["file.base", SYMLINK], &[]);
    }

    #[test]
    fn an_engine_that_would_ignore_a_copy_option_is_refused() {
        let copy = pb::FileActionCopy {
            mode_str: "u+x".to_owned(),
            required_paths: vec!["/a".to_owned()],
            ..pb::FileActionCopy::default()
        };
        let op = pb::op::Op::File(pb::FileOp {
            actions: vec![pb::FileAction {
                action: Some(pb::file_action::Action::Copy(copy)),
                ..pb::FileAction::default()
            }],
        });
        let expect = [COPY_MODE_STRING, COPY_REQUIRED_PATHS];
        check(op, &["file.base"], &["file.base"], &expect);
    }
}
