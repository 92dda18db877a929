//! What clients send, and what becomes of it.

mod hostile;

use std::collections::BTreeMap;

use super::*;
use crate::context_value::ContextValue;

fn map(options: &[(&str, &str)]) -> BTreeMap<String, String> {
    options
        .iter()
        .map(|(option, value)| ((*option).to_owned(), (*value).to_owned()))
        .collect()
}

fn parse(options: &[(&str, &str)]) -> Options {
    Options::parse(&map(options)).unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with one option.
fn error(option: &str, value: &str) -> String {
    match Options::parse(&map(&[(option, value)])) {
        Ok(_) => format!("{option} takes `{value}`"),
        Err(error) => match error.hint() {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        },
    }
}

#[test]
fn nothing_is_asked_for() {
    let options = parse(&[]);
    assert_eq!(options.place.filename, "build.lua");
    assert!(matches!(options.place.context, MainContext::Local));
    assert_eq!(
        (
            options.place.script_local.as_str(),
            options.place.context_local.as_str()
        ),
        ("dockerfile", "context")
    );
    assert_eq!(
        (options.target, options.request, options.multi_platform),
        (None, None, None)
    );
    assert!(options.platforms.is_empty() && options.run.is_empty() && options.warnings.is_empty());
    assert_eq!(options.no_cache, NoCacheFor::Script);
}

#[test]
fn what_is_unknown_is_ignored() {
    let options = parse(&[
        ("vcs:revision", "0123"),
        ("input:context", "https://example.com"),
        ("escape", "`"),
        ("", ""),
        ("attest:provenance", "mode=min,inline-only=true"),
        ("build-arg:BUILDKIT_SYNTAX", "luakit"),
        ("build-arg:BUILDKIT_INLINE_CACHE", "1"),
    ]);
    assert!(options.warnings.is_empty());
}

/// What `docker buildx build` sent for a command line with most flags.
#[test]
fn a_build_of_buildx() {
    let options = parse(&[
        ("filename", "deploy/build.lua"),
        ("source", "luakit/luakit"),
        ("cmdline", "luakit/luakit"),
        ("target", "app"),
        ("platform", "linux/amd64,linux/arm64/v8,linux/x86_64"),
        ("multi-platform", "true"),
        ("no-cache", "app,base"),
        ("image-resolve-mode", "local"),
        ("build-arg:VERSION", "1=2"),
        ("build-arg:HTTP_PROXY", "http://proxy:3128"),
        ("build-arg:BUILDKIT_SANDBOX_HOSTNAME", "builder"),
        ("build-arg:SOURCE_DATE_EPOCH", "1700000000"),
        ("label:a", ""),
        ("label:b.c", "d"),
        ("add-hosts", "DB=10.0.0.2,db=fd00::1"),
        ("shm-size", "134217728"),
        ("ulimit", "nofile=1024:2048,core=-1"),
        ("memory", "1073741824"),
        ("memswap", "-1"),
        ("cpusetcpus", "0-3,5"),
        ("force-network-mode", "none"),
        ("cgroup-parent", "/builds"),
        ("hostname", "other"),
        (
            "cache-imports",
            r#"[{"Type":"registry","Attrs":{"ref":"example.com/cache"}},{"Type":"gha"}]"#,
        ),
        ("cache-from", "example.com/a,example.com/b"),
        ("attest:sbom", r#"generator=example.com/scanner,"EXTRA=a,b""#),
        ("requestid", "frontend.outline"),
        (
            "frontend.caps",
            "moby.buildkit.frontend.subrequests+forward,moby.buildkit.frontend.inputs",
        ),
        ("local-sessionid:context", "s1"),
    ]);
    let platforms: Vec<String> = options.platforms.iter().map(Platform::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    assert_eq!(options.place.filename, "deploy/build.lua");
    assert_eq!(options.target.as_deref(), Some("app"));
    assert_eq!(options.multi_platform, Some(true));
    assert_eq!(
        options.no_cache,
        NoCacheFor::Targets(vec!["app".to_owned(), "base".to_owned()])
    );
    assert_eq!(options.resolve_mode, ResolveMode::PreferLocal);
    assert_eq!(options.args["VERSION"], "1=2");
    assert_eq!(options.labels, map(&[("a", ""), ("b.c", "d")]));
    assert_eq!(options.source_date_epoch, Some(1_700_000_000));
    assert_eq!(options.request.as_deref(), Some("frontend.outline"));
    assert_eq!(options.local_sessions, map(&[("context", "s1")]));
    assert!(options.warnings.is_empty());
    insta::assert_snapshot!(format!("{:#?}\n{:#?}", options.run, options.cache_imports), @r#"
    RunDefaults {
        network: Some(
            None,
        ),
        extra_hosts: [
            ExtraHost {
                host: "db",
                ip: 10.0.0.2,
            },
            ExtraHost {
                host: "db",
                ip: fd00::1,
            },
        ],
        ulimits: [
            Ulimit {
                name: "core",
                soft: -1,
                hard: -1,
            },
            Ulimit {
                name: "nofile",
                soft: 1024,
                hard: 2048,
            },
        ],
        shm_size: 134217728,
        cgroup_parent: Some(
            "/builds",
        ),
        hostname: Some(
            "builder",
        ),
        resources: Some(
            Resources {
                memory: 1073741824,
                memory_swap: -1,
                cpu_shares: 0,
                cpu_period: 0,
                cpu_quota: 0,
                cpuset_cpus: "0-3,5",
                cpuset_mems: "",
            },
        ),
    }
    [
        CacheImport {
            kind: "registry",
            attrs: [
                "ref",
            ],
        },
        CacheImport {
            kind: "gha",
            attrs: [],
        },
        CacheImport {
            kind: "registry",
            attrs: [
                "ref",
            ],
        },
        CacheImport {
            kind: "registry",
            attrs: [
                "ref",
            ],
        },
    ]
    "#);
}

#[test]
fn no_cache_has_three_meanings() {
    assert_eq!(parse(&[("no-cache", "")]).no_cache, NoCacheFor::Everything);
    assert_eq!(
        parse(&[("no-cache", "a,")]).no_cache,
        NoCacheFor::Targets(vec!["a".to_owned()])
    );
}

#[test]
fn the_context_may_be_elsewhere() {
    let context = |options: &[(&str, &str)]| match parse(options).place.context {
        MainContext::Local => "local".to_owned(),
        MainContext::Http(url) => format!("http {url}"),
        MainContext::Git(git) => format!(
            "git {} {:?} {:?} keep {} commit's times {}",
            git.url, git.reference, git.subdir, git.keep_git_dir, git.mtime_commit
        ),
    };
    let lines = [
        context(&[("context", "https://example.com/a.git#v1:src")]),
        context(&[("context", "me@example.com:a/b")]),
        context(&[
            ("context", "github.com/a/b"),
            ("build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR", "1"),
        ]),
        context(&[
            ("context", "ssh://git@example.com/a?keep-git-dir"),
            ("build-arg:SOURCE_DATE_EPOCH", "1"),
        ]),
        context(&[
            ("context", "https://example.com/a.git?mtime=checkout"),
            ("build-arg:SOURCE_DATE_EPOCH", "1"),
        ]),
        context(&[("context", "https://example.com/a.tar.gz")]),
        context(&[("context", "http://buildkit-session/0123")]),
        context(&[
            ("contextkey", "other"),
            ("other", "https://example.com/b"),
            ("context", "https://example.com/a"),
        ]),
        context(&[("context", "")]),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
    git https://example.com/a.git Some("v1") Some("src") keep false commit's times false
    git me@example.com:a/b None None keep false commit's times false
    git github.com/a/b None None keep true commit's times false
    git ssh://git@example.com/a None None keep true commit's times true
    git https://example.com/a.git None None keep false commit's times false
    http https://example.com/a.tar.gz
    http http://buildkit-session/0123
    http https://example.com/b
    local
    "#);
}

#[test]
fn the_script_may_be_elsewhere_than_the_context() {
    let place = parse(&[
        ("dockerfilekey", "scripts"),
        ("contextsubdir", "src"),
        ("cmdline", "luakit"),
    ])
    .place;
    assert_eq!((place.script_local.as_str(), place.script_is_local), ("scripts", true));
    assert_eq!(
        (place.subdir.as_deref(), place.filename.as_str()),
        (Some("src"), "Dockerfile")
    );
}

#[test]
fn named_contexts_are_for_all_platforms_or_for_one() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let layout = format!("oci-layout://store@{digest}");
    let options = parse(&[
        ("context:alpine", "docker-image://alpine:3.20"),
        ("context:alpine::linux/arm64", "docker-image://arm64v8/alpine"),
        ("context:docker.io/library/base:latest", "local:base-dir"),
        ("sharedkey:localdir:docker.io/library/base:latest", "key"),
        ("context:empty", "docker-image://scratch"),
        ("context:repo", "https://example.com/a.git?ref=v1"),
        ("context:file", "https://example.com/a"),
        ("context:layout", &layout),
        ("context:in::linux/amd64", "input:0"),
        ("input-metadata:0", r#"{"containerimage.config":"e30=","other":null}"#),
    ]);
    let told = options.contexts.all().iter().map(|named| {
        let value = match &named.value {
            FrontendContext::Remote(ContextValue::Image(reference)) => format!("image {reference}"),
            FrontendContext::Remote(ContextValue::Git(git)) => format!("git {} {:?}", git.url, git.reference),
            FrontendContext::Remote(other) => format!("{other:?}"),
            FrontendContext::Local(name) => format!("local {name} {:?}", named.shared_key),
            FrontendContext::Input(key) => format!("input {key} {:?}", options.input_configs.get(key)),
        };
        let platform = named.platform.as_ref().map(Platform::to_string);
        let platform = platform.as_deref().unwrap_or("all");
        format!("{} for {platform} [{}]: {value}", named.name, named.key)
    });
    let told = told.collect::<Vec<_>>().join("\n").replace(&"1".repeat(64), "1…");
    insta::assert_snapshot!(told, @r#"
    alpine for all [alpine]: image docker.io/library/alpine:3.20
    alpine for linux/arm64 [alpine::linux/arm64]: image docker.io/arm64v8/alpine:latest
    base for all [docker.io/library/base:latest]: local base-dir Some("key")
    empty for all [empty]: Scratch
    file for all [file]: Http("https://example.com/a")
    in for linux/amd64 [in::linux/amd64]: input 0 Some([123, 125])
    layout for all [layout]: OciLayout { store: "store", tag: None, digest: Some(ImageDigest("sha256:1…")) }
    repo for all [repo]: git https://example.com/a.git Some("v1")
    "#);
}

#[test]
fn attestations_are_the_daemons() {
    for (option, value) in [
        ("attest:sbom", ""),
        ("attest:sbom", "type=sbom"),
        ("build-arg:BUILDKIT_ATTEST_SBOM", ""),
        ("attest:sbom", "disabled=true"),
        ("attest:provenance", "mode=max"),
        ("attest:SBOM", "generator=a,x=1"),
    ] {
        assert!(parse(&[(option, value)]).warnings.is_empty(), "{option}={value}");
    }
}

#[test]
fn what_is_not_honoured_is_said() {
    let options = parse(&[("cmdline", "luakit/luakit --fast  now")]);
    let warnings: Vec<String> = options.warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n"), @"`--fast  now` after the frontend's image is ignored: it takes no flags");
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let long = "x".repeat(200);
    let lines = [
        error("platform", "linux/amd46"),
        error("platform", ""),
        error("platform", "linux/amd64,"),
        error("multi-platform", "maybe"),
        error("build-arg:BUILDKIT_MULTI_PLATFORM", "2"),
        error("image-resolve-mode", "never"),
        error("build-arg:", "x"),
        error("label:", "x"),
        error("add-hosts", "db"),
        error("add-hosts", "=10.0.0.1"),
        error("add-hosts", "db=ten"),
        error("add-hosts", "\"db=10.0.0.1"),
        error("shm-size", "64m"),
        error("shm-size", "-1"),
        error("ulimit", "nofiles=1"),
        error("memory", "0"),
        error("memswap", "0"),
        error("cpuquota", &long),
        error("cpusetcpus", "3-1"),
        error("cpusetmems", "9000"),
        error("force-network-mode", "bridge"),
        error("build-arg:SOURCE_DATE_EPOCH", "context"),
        error("build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR", "perhaps"),
        error("cache-imports", r#"[{"Type":"s3","Attrs":{"secret_access_key":1234}}]"#),
        error("cache-imports", "secret"),
        error("attest:sbom", "generator=A"),
        error("attest:sbom", "generator="),
        error("attest:slsa", ""),
        error("context", "dir"),
        error("context", "ftp://example.com/x"),
        error("context", "https://me:secret@example.com/x"),
        error("context", "https://secret@example.com/x.git"),
        error("context", "https://example.com/x.git?rfe=v1"),
        error("context:Base", "docker-image://alpine"),
        error("context:base::amd46", "docker-image://alpine"),
        error("context:base", "docker-image://Alpine"),
        error("context:base", "oci-layout://store:tag"),
        error("context:base", "https://me:secret@example.com/x"),
        error("context:base", "local:"),
        error("context:base", "target:other"),
        error("context:base", "dir"),
        error("context:context", "local:x"),
        error("input-metadata:0", "{"),
        error("input-metadata:0", r#"{"containerimage.config":"?"}"#),
        error("local-sessionid:", "s"),
        error(
            "frontend.caps",
            "moby.buildkit.frontend.inputs,moby.buildkit.frontend.dreams+forward",
        ),
    ];
    assert!(
        !lines
            .iter()
            .any(|line| line.contains("secret@") || line.contains("1234"))
    );
    insta::assert_snapshot!(lines.join("\n"), @r#"
    invalid value `linux/amd46` of the option `platform`: unknown architecture `amd46`
    platform takes ``
    invalid value `linux/amd64,` of the option `platform`: `` is not a platform: it must be OS/ARCH or OS/ARCH/VARIANT
    invalid value `maybe` of the option `multi-platform`: it must be `true` or `false`
    invalid value `2` of the option `build-arg:BUILDKIT_MULTI_PLATFORM`: it must be `true` or `false`
    invalid value `never` of the option `image-resolve-mode`: it must be `default`, `pull` or `local`
    invalid value of the option `build-arg:`: a build argument has a name
    invalid value of the option `label:`: a label has a name
    invalid value `db` of the option `add-hosts`: `db` must be HOST=IP
    invalid value `=10.0.0.1` of the option `add-hosts`: `=10.0.0.1` must be HOST=IP
    invalid value `db=ten` of the option `add-hosts`: `ten` is no IP address
    invalid value `"db=10.0.0.1` of the option `add-hosts`: field 1 begins with a quote that is never closed
    invalid value `64m` of the option `shm-size`: it must be a whole number of at least 0
    invalid value `-1` of the option `shm-size`: it must be a whole number of at least 0
    invalid value `nofiles=1` of the option `ulimit`: unknown limit `nofiles`; did you mean `nofile`?
    invalid value `0` of the option `memory`: it must be a whole number of at least 1
    invalid value `0` of the option `memswap`: it must be a number of bytes, or -1, which is no limit
    invalid value `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` of the option `cpuquota`: it must be a whole number of at least 1
    invalid value `3-1` of the option `cpusetcpus`: `3-1` must be a number or a range of at most 8192, as in `0-3,5`
    invalid value `9000` of the option `cpusetmems`: `9000` must be a number or a range of at most 8192, as in `0-3,5`
    invalid value `bridge` of the option `force-network-mode`: it must be `sandbox`, `host` or `none`
    invalid value `context` of the option `build-arg:SOURCE_DATE_EPOCH`: it must be a whole number of seconds (for a commit's time: `$(git log -1 --format=%ct)`)
    invalid value `perhaps` of the option `build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR`: it must be `true` or `false`
    invalid value of the option `cache-imports`: it must be JSON, as `[{"Type":"registry","Attrs":{"ref":"…"}}]`
    invalid value of the option `cache-imports`: it must be JSON, as `[{"Type":"registry","Attrs":{"ref":"…"}}]`
    invalid value `generator=A` of the option `attest:sbom`: its generator: repository name `library/A` must be lowercase
    invalid value `generator=` of the option `attest:sbom`: its generator: an image reference can't be empty
    invalid value `` of the option `attest:slsa`: unknown attestation `slsa` (there are `sbom` and `provenance`)
    invalid value of the option `context`: it is the URL of neither a git repository nor a file (a repository's web address ends in `.git`; leave the option out for a directory)
    invalid value of the option `context`: it is the URL of neither a git repository nor a file (a repository's web address ends in `.git`; leave the option out for a directory)
    invalid value of the option `context`: a user in a URL would be in the build's definition: leave it out
    invalid value of the option `context`: a user in a URL would be in the build's definition: give `--secret id=GIT_AUTH_TOKEN`
    invalid value of the option `context`: unknown key `rfe` in the URL's query; did you mean `ref`?
    invalid value of the option `context:Base`: invalid name `Base`: repository name `library/Base` must be lowercase
    invalid value of the option `context:base::amd46`: `amd46` is not a platform: it must be OS/ARCH or OS/ARCH/VARIANT
    invalid value of the option `context:base`: repository name `library/Alpine` must be lowercase
    invalid value of the option `context:base`: an image of a layout needs its digest: oci-layout://STORE@DIGEST
    invalid value of the option `context:base`: a user in a URL would be in the build's definition: leave it out
    invalid value of the option `context:base`: `local:` is followed by a name
    invalid value of the option `context:base`: `target:other` is another target's result, which only `docker buildx bake` can name
    invalid value of the option `context:base`: it must be docker-image://, oci-layout://, local:, input:, or a git or http URL
    invalid value of the option `--build-context context`: the build context itself has no other in its place (give that as the context: `docker build … DIR`)
    invalid value `{` of the option `input-metadata:0`: it must be JSON that maps names to base64, as `{"containerimage.config":"…"}`
    invalid value `{"containerimage.config":"?"}` of the option `input-metadata:0`: it must be JSON that maps names to base64, as `{"containerimage.config":"…"}`
    invalid value of the option `local-sessionid:`: a directory has a name
    unsupported frontend capability moby.buildkit.frontend.dreams
    "#);
    let conflict = Options::parse(&map(&[
        ("platform", "linux/amd64,linux/arm64"),
        ("multi-platform", "false"),
    ]));
    insta::assert_snapshot!(conflict.err().map(|e| e.to_string()).unwrap_or_default(), @"invalid value `false` of the option `multi-platform`: the build is for 2 platforms");
    let twice = Options::parse(&map(&[("context:a", "local:a"), ("context:a:latest", "local:b")]));
    insta::assert_snapshot!(twice.err().map(|e| e.to_string()).unwrap_or_default(), @"invalid value of the option `context:a:latest`: the context `a` is given twice");
}
