//! Options as nobody should send them: whatever they are, they are read or refused.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use super::super::{MainContext, Options};
use super::map;

/// One valid value of each option.
const VALID: &[(&str, &str)] = &[
    ("filename", "build.lua"),
    ("context", "https://example.com/a.git?tag=v1&subdir=x#refs/tags/v1:x"),
    ("contextkey", "context"),
    ("contextsubdir", "src"),
    ("dockerfilekey", "dockerfile"),
    ("target", "app"),
    ("platform", "linux/amd64,linux/arm/v7"),
    ("multi-platform", "true"),
    ("no-cache", "a,b"),
    ("image-resolve-mode", "pull"),
    ("build-arg:A", "b"),
    ("build-arg:SOURCE_DATE_EPOCH", "0"),
    ("build-arg:BUILDKIT_MULTI_PLATFORM", "1"),
    ("build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR", "1"),
    ("build-arg:BUILDKIT_SANDBOX_HOSTNAME", "a"),
    ("build-arg:BUILDKIT_ATTEST_SBOM", "generator=a"),
    ("build-arg:BUILDKIT_ATTEST_PROVENANCE", "mode=max"),
    ("label:a", "b"),
    ("add-hosts", "a=10.0.0.1,\"b=fd00::1\""),
    ("shm-size", "64"),
    ("ulimit", "nofile=1:2"),
    ("memory", "1"),
    ("memswap", "-1"),
    ("cpusetcpus", "0-3,5"),
    ("cpusetmems", "0"),
    ("cpushares", "1"),
    ("cpuperiod", "1"),
    ("cpuquota", "1"),
    ("hostname", "a"),
    ("cgroup-parent", "/a"),
    ("force-network-mode", "host"),
    ("cache-imports", r#"[{"Type":"registry","Attrs":{"ref":"a"}}]"#),
    ("cache-from", "a,b"),
    ("attest:sbom", "generator=a,\"b=c\""),
    ("attest:provenance", "mode=max"),
    ("context:alpine::linux/arm64", "docker-image://alpine"),
    ("context:a", "local:a"),
    ("sharedkey:localdir:a", "k"),
    (
        "context:b",
        "oci-layout://a:b@sha256:1111111111111111111111111111111111111111111111111111111111111111",
    ),
    ("context:c", "git@example.com:a/b#c:d"),
    ("context:d", "input:0"),
    ("input-metadata:0", r#"{"containerimage.config":"e30="}"#),
    ("local-sessionid:a", "s"),
    ("frontend.caps", "moby.buildkit.frontend.inputs+forward"),
    ("cmdline", "a b"),
    ("requestid", "frontend.outline"),
];

/// What means something to one of the parsers.
const PIECES: &[&str] = &[
    "",
    ",",
    "=",
    ":",
    "::",
    "/",
    "//",
    "://",
    "@",
    "#",
    "?",
    "&",
    "%",
    "%4",
    "%ff",
    "\"",
    "\"\"",
    "-",
    "+",
    "\n",
    "\0",
    "é",
    "👾",
    "\u{202e}",
    "9223372036854775808",
    "-1",
    "{",
    "[",
    "null",
    "sha256:",
    "docker-image://",
    "git@",
    "https://",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_maps(
        valid in subsequence(VALID.to_vec(), 0..12),
        odd in (any::<Index>(), any::<Index>(), 0_usize..4, select(PIECES)),
        name in any::<bool>(),
        other in (".{0,20}", ".{0,40}"),
    ) {
        let mut options = map(&valid);
        check(&options);
        if let Some((option, value)) = options.iter().nth(odd.0.index(valid.len().max(1))) {
            let (option, value) = (option.clone(), value.clone());
            let (_, at, cut, piece) = odd;
            if name {
                options.insert(mutated(&option, at, cut, piece), value);
            } else {
                let value = mutated(&value, at, cut, piece);
                options.insert(option, value);
            }
        }
        check(&options);
        options.insert(other.0, other.1);
        check(&options);
    }

    #[test]
    fn arbitrary_values(option in select(VALID), value in ".{0,60}") {
        check(&[(option.0.to_owned(), value)].into());
    }

    #[test]
    fn mutated_values(option in select(VALID), at in any::<Index>(), cut in 0_usize..4, piece in select(PIECES)) {
        check(&[(option.0.to_owned(), mutated(option.1, at, cut, piece))].into());
    }

    #[test]
    fn mutated_names(option in select(VALID), at in any::<Index>(), cut in 0_usize..4, piece in select(PIECES)) {
        check(&[(mutated(option.0, at, cut, piece), option.1.to_owned())].into());
    }
}

/// Replaces `cut` characters at a place by a piece.
fn mutated(text: &str, at: Index, cut: usize, piece: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = at.index(chars.len() + 1);
    let before = chars.iter().take(at);
    let after = chars.iter().skip(at + cut);
    before.copied().chain(piece.chars()).chain(after.copied()).collect()
}

/// What is read holds to what it promises.
fn check(options: &BTreeMap<String, String>) {
    let Ok(read) = Options::parse(options) else { return };
    if let MainContext::Git(git) = &read.place.context {
        assert!(!git.reference.as_deref().is_some_and(|name| name.starts_with('-')));
        assert!(!git.url.contains(['#', '?']));
    }
    if let MainContext::Http(url) = &read.place.context {
        assert!(url.starts_with("http"));
    }
    assert!(read.run.shm_size >= 0);
    for named in read.contexts.all() {
        assert!(!named.name.is_empty());
    }
}

#[test]
fn all_valid_ones_are_read_together() {
    assert!(Options::parse(&map(VALID)).is_ok());
}
