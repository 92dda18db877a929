//! Capabilities: what a definition needs of an engine, against what the engine says it has.
//!
//! Clients note capabilities in each op's metadata. Engines check them too, but one at a time and without
//! saying which step wants it.

use std::collections::{BTreeMap, BTreeSet};

use luakit_proto::map::map;
use luakit_proto::{apicaps, pb};

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

/// What of `definitions` and of bringing their results back the engine lacks, sorted by name.
pub(crate) fn missing<'a>(
    definitions: impl IntoIterator<Item = &'a pb::Definition>,
    exports: usize,
    gateway: &[apicaps::ApiCap],
    llb: &[apicaps::ApiCap],
) -> Vec<MissingCap> {
    let enabled = |caps: &[apicaps::ApiCap]| -> BTreeSet<String> {
        caps.iter().filter(|c| c.enabled).map(|c| c.id.clone()).collect()
    };
    let known = if llb.is_empty() {
        ASSUMED.iter().map(|c| (*c).to_owned()).collect()
    } else {
        enabled(llb)
    };
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
        let old = missing([&definition], 2, &caps(&GATEWAY), &[]);
        let names = |m: &[MissingCap]| -> Vec<(String, usize)> {
            m.iter().map(|m| (m.cap.clone(), m.vertices.len())).collect()
        };
        let expect = [("exec.validexitcode", 1), ("exporter.multiple", 0), ("mergeop", 2)];
        assert_eq!(names(&old), expect.map(|(c, n)| (c.to_owned(), n)));

        let mut some = caps(&["constraints", "mergeop", "exec.validexitcode", "exporter.multiple"]);
        assert_eq!(missing([&definition], 2, &caps(&GATEWAY), &some), []);
        if let Some(merge) = some.iter_mut().find(|c| c.id == "mergeop") {
            merge.enabled = false;
        }
        assert_eq!(
            names(&missing([&definition], 2, &caps(&GATEWAY[1..]), &some)),
            [("mergeop".to_owned(), 2), ("solve.base".to_owned(), 0),]
        );
    }
}
