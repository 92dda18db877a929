//! A frontend on an engine that is made up: what it asks for, what it answers, what it tells the user.

#![allow(
    clippy::unwrap_used,
    clippy::result_large_err,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use luakit_diagnostic::{Diagnostic, render_without_source};
use luakit_frontend::host::{Entry, EntryKind, Host};
use luakit_frontend::options::Options;
use luakit_frontend::remote::{Answer, Job, RemoteFailure, build};
use luakit_frontend::resolve::{Failure, ImageResolver, ResolveError};
use luakit_frontend::{Output, Solver};
use luakit_llb::op::{HttpSource, ResolveMode};
use luakit_llb::{Definition, Graph, Pins, Platform, Reference, ResolvedImage, marshal};
use luakit_proto::{Message as _, map, pb};

/// An engine where every result holds the same files, and that remembers what it is asked.
#[derive(Clone, Default)]
struct Engine {
    /// By path; links have a `->` before what they say.
    files: Arc<BTreeMap<String, String>>,
    /// An image, and what is taken in its place.
    policy: Arc<Option<(String, String)>>,
    /// What the client has built already.
    inputs: Arc<BTreeMap<String, Definition>>,
    /// Whether it sends lists of files.
    lists: bool,
    asked: Arc<Mutex<Vec<String>>>,
    told: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl Engine {
    fn new(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        Self {
            files: Arc::new(files.collect()),
            ..Self::default()
        }
    }

    fn asked(&self) -> String {
        self.asked.lock().unwrap().join("\n")
    }

    fn told(&self) -> String {
        self.told.lock().unwrap().join("\n")
    }
}

/// The sources of a definition, with what is asked of them, and what steps are called.
fn sources(definition: &Definition) -> Vec<String> {
    let message = definition.message();
    let names: Vec<String> = message
        .metadata
        .iter()
        .filter_map(|entry| map::map(entry.value.clone()?.description).remove("llb.customname"))
        .collect();
    let ops = message.def.iter().map(|op| pb::Op::decode(op.as_slice()).unwrap());
    let told = ops.filter_map(|op| match op.op? {
        pb::op::Op::Source(source) => {
            let attrs: Vec<String> = map::map(source.attrs)
                .into_iter()
                .map(|(key, value)| format!(" {key}={value}"))
                .collect();
            Some(format!(
                "{}{} ({})",
                source.identifier,
                attrs.concat(),
                names.join(", ")
            ))
        }
        _ => None,
    });
    told.collect()
}

impl ImageResolver for Engine {
    async fn resolve(
        &self,
        reference: &Reference,
        platforms: &[Platform],
        mode: ResolveMode,
    ) -> Vec<Result<ResolvedImage, ResolveError>> {
        let told = match mode {
            ResolveMode::Default => format!("image {reference}"),
            mode => format!("image {reference} ({mode:?})"),
        };
        self.asked.lock().unwrap().push(told);
        let config = |platform: &Platform| {
            // What the registry doesn't have, and one that isn't reached.
            for (digits, why) in [
                ("111", "r.example/gone@sha256:111: not found"),
                ("222", "no route to host"),
            ] {
                if reference.to_string().contains(&format!("@sha256:{digits}")) {
                    return Err(ResolveError {
                        reference: reference.clone(),
                        platform: platform.clone(),
                        failure: Failure::Engine {
                            message: why.to_owned(),
                        },
                        attempts: Vec::new(),
                    });
                }
            }
            let json = format!(r#"{{"os":"{}","architecture":"{}"}}"#, platform.os(), platform.arch());
            let policy = |(from, to): &(String, String)| (*from == reference.familiar()).then(|| to.parse().unwrap());
            Ok(ResolvedImage {
                reference: self.policy.as_ref().as_ref().and_then(policy),
                digest: None,
                config: json.into_bytes(),
            })
        };
        platforms.iter().map(config).collect()
    }
}

impl Solver for Engine {
    type Ref = ();
    type Error = Refused;

    async fn solve(&self, definitions: Vec<Definition>) -> Result<Vec<()>, Refused> {
        self.asked.lock().unwrap().extend(definitions.iter().flat_map(sources));
        Ok(definitions.iter().map(|_| ()).collect())
    }
}

impl Host for Engine {
    async fn read_file(&self, (): &(), path: &str, limit: u64) -> Result<Vec<u8>, Refused> {
        let text = self
            .files
            .get(path)
            .ok_or_else(|| Refused(format!("{path}: no such file")))?;
        Ok(text.bytes().take(usize::try_from(limit).unwrap()).collect())
    }

    async fn read_dir(&self, (): &(), path: &str) -> Result<Vec<Entry>, Refused> {
        let base = format!("{}/", path.trim_end_matches('/'));
        let mut entries = BTreeMap::new();
        for (file, text) in &*self.files {
            let Some(rest) = file.strip_prefix(&base) else { continue };
            let (name, kind) = match (rest.split_once('/'), text.strip_prefix("->")) {
                (Some((name, _)), _) => (name, EntryKind::Directory),
                (None, Some(target)) => (rest, EntryKind::Link(target.to_owned())),
                (None, None) => (rest, EntryKind::File),
            };
            entries.insert(name.to_owned(), kind);
        }
        if entries.is_empty() && path != "/" {
            return Err(Refused(format!("{path}: no such directory")));
        }
        Ok(entries.into_iter().map(|(name, kind)| Entry { name, kind }).collect())
    }

    fn sends_lists(&self) -> bool {
        self.lists
    }

    async fn read_list(&self, (): &()) -> Result<Vec<Entry>, Refused> {
        let file = |path: &String| Entry {
            name: path.trim_start_matches('/').to_owned(),
            kind: EntryKind::File,
        };
        Ok(self.files.keys().map(file).collect())
    }

    async fn layout_config(
        &self,
        store: &str,
        image: &Reference,
        platform: &Platform,
        _: &str,
    ) -> Result<Vec<u8>, Refused> {
        self.asked
            .lock()
            .unwrap()
            .push(format!("{image} of {store} for {platform}"));
        Ok(br#"{"architecture":"amd64","config":{"Env":["OF=layout"]},"os":"linux"}"#.to_vec())
    }

    async fn inputs(&self) -> Result<BTreeMap<String, Definition>, Refused> {
        Ok((*self.inputs).clone())
    }

    async fn warn(&self, vertex: &str, warning: &Diagnostic) {
        assert!(vertex.starts_with("sha256:"), "{vertex}");
        self.told.lock().unwrap().push(render_without_source(warning));
    }
}

/// A definition that is a download.
fn download(url: &str) -> Definition {
    let mut graph = Graph::new();
    let at = graph.intern_stack(&[]);
    let source = HttpSource {
        url: url.to_owned(),
        ..HttpSource::default()
    };
    let state = graph.http(source, at);
    let options = marshal::Options {
        platform: &Platform::linux_amd64(),
        pins: &Pins::new(),
        local_unique: "",
        context_excludes: &[],
        run_defaults: None,
        no_cache: marshal::NoCache::AsWritten,
        resolve_mode: ResolveMode::Default,
    };
    marshal::marshal(&graph, state, &options)
}

fn job(options: &[(&str, &str)]) -> Job {
    let options = options
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Job {
        options: Options::parse(&options.collect()).unwrap(),
        session: "session".to_owned(),
        machine: Platform::linux_amd64(),
    }
}

async fn built(engine: &Engine, options: &[(&str, &str)]) -> Result<Vec<Output>, String> {
    match build(engine, job(options)).await {
        Ok(Answer::Built(build)) => Ok(build.outputs.into_iter().map(|(output, ())| output).collect()),
        Ok(other) => Err(format!("{other:?}")),
        Err(RemoteFailure::Told(told)) => Err(told.iter().map(render_without_source).collect::<Vec<_>>().join("\n")),
        Err(other) => Err(format!("{other:?}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_directories_are_asked_for_what_is_needed() {
    let script = r#"
        local lib = require("libs.lib")
        print("read", bk.read_file("a.txt"))
        bk.glob("src/*.go")
        bk.export(bk.image("alpine"):copy(bk.local_("context", { exclude = { "own" } }), ".", "/"), { labels = lib })"#;
    let engine = Engine::new(&[
        ("/build.lua", script),
        ("/libs/lib.lua", "return { from = 'a module' }"),
        ("/a.txt", "text"),
        ("/.dockerignore", "*.log\n"),
    ]);
    let options = [
        ("label:given", "too"),
        ("build-arg:ODD", "1"),
        ("local-sessionid:context", "other"),
    ];
    let outputs = built(&engine, &options).await.unwrap();
    assert_eq!(outputs.len(), 1);
    let config = String::from_utf8(outputs[0].config.clone()).unwrap();
    assert!(
        config.contains(r#""Labels":{"from":"a module","given":"too"}"#),
        "{config}"
    );
    insta::assert_snapshot!(engine.asked(), @r#"
    local://dockerfile local.followpaths=["build.lua","build.lua.dockerignore","luakit.lock"] local.sharedkeyhint=dockerfile local.unique=session ([internal] load build definition from build.lua)
    local://dockerfile local.excludepatterns=["libs/lib.lua/**"] local.followpaths=["libs/lib.lua"] local.sharedkeyhint=dockerfile-read local.unique=session ([internal] read libs/lib.lua)
    local://context local.excludepatterns=["a.txt/**"] local.followpaths=["a.txt"] local.session=other local.sharedkeyhint=context-read local.unique=session ([internal] read a.txt)
    local://context local.excludepatterns=["src/*.go/**"] local.includepattern=["src/*.go"] local.session=other local.sharedkeyhint=context-read local.unique=session ([internal] read src/*.go)
    local://context local.followpaths=[".dockerignore"] local.session=other local.sharedkeyhint=context-.dockerignore local.unique=session ([internal] load .dockerignore)
    image docker.io/library/alpine:latest
    docker-image://docker.io/library/alpine:latest ([internal] load build context)
    local://context local.excludepatterns=["*.log","own"] local.session=other local.sharedkeyhint=context local.unique=session ([internal] load build context)
    "#);
    insta::assert_snapshot!(engine.told(), @"
    print: read text
    build argument `ODD` is given, and the script never reads it
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_lead_nowhere_outside() {
    let script = r#"
        for _, path in { "inside", "through/file", "loop", "up", "absolute", "dir/../../x", "dir/none/x", "file/x" } do
            local ok, said = pcall(bk.read_file, path)
            print(path, ok, said)
        end
        print(bk.exists("dir"), bk.exists("dir/."), bk.exists("none"), table.concat(bk.glob("**/file"), " "))
        bk.export(bk.scratch())"#;
    let engine = Engine::new(&[
        ("/sub/build.lua", script),
        ("/file", "secret"),
        ("/sub/file", "kept"),
        ("/sub/dir/file", "deep"),
        ("/sub/inside", "->dir/../file"),
        ("/sub/through", "->./dir"),
        ("/sub/loop", "->loop"),
        ("/sub/up", "->../file"),
        ("/sub/absolute", "->/file"),
    ]);
    let url = "https://example.com/a.git#main";
    let outputs = built(
        &engine,
        &[
            ("context", url),
            ("filename", "sub/build.lua"),
            ("contextsubdir", "sub"),
        ],
    )
    .await;
    assert_eq!(outputs.unwrap().len(), 1);
    insta::assert_snapshot!(engine.asked(), @"git://example.com/a.git#main git.authheadersecret=GIT_AUTH_HEADER git.authtokensecret=GIT_AUTH_TOKEN git.fullurl=https://example.com/a.git ([internal] load git source https://example.com/a.git#main)");
    insta::assert_snapshot!(engine.told(), @r#"
    print: inside true kept
    print: through/file true deep
    print: loop false the build context has no file "loop"
    print: up false `up` is outside the build context
    print: absolute false `absolute` is outside the build context
    print: dir/../../x false `dir/../../x` is outside the build context
    print: dir/none/x false the build context has no file "dir/none/x"
    print: file/x false the build context has no file "file/x"
    print: true true false dir/file file
    "#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_is_no_archive_is_the_script() {
    let engine = Engine::new(&[("/context", "bk.export(bk.local_('context'))")]);
    let outputs = built(&engine, &[("context", "https://example.com/build.lua")]).await;
    assert_eq!(outputs.unwrap().len(), 1);
    insta::assert_snapshot!(engine.asked(), @"
    https://example.com/build.lua http.filename=context ([internal] load remote build context)
    https://example.com/build.lua http.filename=context ([internal] load remote build context)
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong() {
    let none = Engine::new(&[]);
    let cases = [
        built(&none, &[]).await,
        built(&none, &[("filename", "../build.lua")]).await,
        built(&Engine::new(&[("/build.lua", "->/etc/passwd")]), &[]).await,
        built(&Engine::new(&[("/build.lua/x", "")]), &[]).await,
        built(
            &Engine::new(&[("/build.lua", "bk.export(bk.scratch(), { name = 'a' })")]),
            &[("target", "b")],
        )
        .await,
        built(&Engine::new(&[("/build.lua", "")]), &[("context:x", "input:y")]).await,
        built(
            &Engine::new(&[
                ("/build.lua", "bk.export(bk.scratch())"),
                ("/luakit.lock", "version = 2"),
            ]),
            &[],
        )
        .await,
        built(
            &Engine::new(&[
                ("/build.lua", "bk.export(bk.local_('context'))"),
                ("/.dockerignore", "->/etc/passwd"),
            ]),
            &[],
        )
        .await,
    ];
    let told: Vec<String> = cases.into_iter().map(Result::unwrap_err).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    there is no script `build.lua`
    hint: name it with `-f`; it is looked for in the build context where that is no directory of yours
    invalid value `../build.lua` of the option `filename`: it is no file in the script's directory
    can't read `build.lua`: it is a link to somewhere else
    can't read `build.lua`: it is a directory
    the script has no target `b`
    hint: its targets are `a`
    invalid value of the option `context:x`: there is no input `y`
    the lock file has version 2, and this luakit reads version 1
    hint: a newer luakit wrote it; update luakit
    can't read `.dockerignore`: it is a link to somewhere else
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_is_of_every_target_unless_one_is_named() {
    let script = "bk.export(bk.scratch(), { name = 'a' }) bk.export(bk.scratch(), { name = 'b' })";
    let engine = Engine::new(&[("/build.lua", script)]);
    let asked = async |options: &[(&str, &str)]| match build(&engine, job(options)).await {
        Ok(Answer::Told(answer)) => (answer.status, answer.json.contains("buildError")),
        other => panic!("{other:?}"),
    };
    let lint = ("requestid", "frontend.lint");
    assert_eq!(asked(&[lint]).await, (Some(0), false));
    assert_eq!(asked(&[lint, ("target", "b")]).await, (Some(0), false));
    assert_eq!(asked(&[lint, ("target", "c")]).await, (Some(1), true));
    let outline = built(&engine, &[("requestid", "frontend.outline")]).await;
    insta::assert_snapshot!(outline.unwrap_err(), @"
    the script has several targets and no default one
    hint: choose one with `--target`: `a`, `b`
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_script_asks_for_has_an_end() {
    let script = "for i = 1, 10010 do pcall(bk.exists, 'file' .. i) end bk.export(bk.scratch())";
    let engine = Engine::new(&[("/build.lua", script)]);
    let told = built(&engine, &[]).await.unwrap_err();
    insta::assert_snapshot!(told, @"the script asks for more than 10000 files and patterns");
    assert_eq!(engine.asked().matches("[internal] read file").count(), 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_image_is_still_there() {
    let pinned = async |digit: &str| {
        let lock = format!(
            "version = 1\n\n[[image]]\nref = \"docker.io/library/alpine:3.19\"\nplatform = \"linux/amd64\"\ndigest = \
             \"sha256:{}\"\nconfig = '{{}}'\n",
            digit.repeat(64)
        );
        let engine = Engine::new(&[
            ("/build.lua", "bk.export(bk.image('alpine:3.19'))"),
            ("/luakit.lock", &lock),
        ]);
        built(&engine, &[])
            .await
            .map(|outputs| sources(&outputs[0].definition).join(" "))
    };
    insta::assert_snapshot!(pinned("1").await.unwrap_err().replace(&"1".repeat(64), "1…"), @"
    the registry has no `alpine:3.19@sha256:1…`, which the lock file pins
    build.lua:1: named here
    hint: `luakit lock --update alpine:3.19` pins the one that it has now; without its entry the image is looked up
    ");
    // The engine may have what can't be asked for.
    assert!(pinned("2").await.unwrap().contains("alpine:3.19@sha256:222"));
    assert!(pinned("3").await.unwrap().contains("alpine:3.19@sha256:333"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_for_is_what_the_config_says() {
    let layout = format!("oci-layout://store@sha256:{}", "1".repeat(64));
    let options = [
        ("platform", "linux/amd64,linux/arm64"),
        ("context:base", layout.as_str()),
    ];
    let engine = Engine::new(&[("/build.lua", "local base = bk.image('base')\nbk.export(base)")]);
    let outputs = built(&engine, &options).await.unwrap();
    let told = outputs.iter().map(|output| {
        let config = String::from_utf8_lossy(&output.config).into_owned();
        format!(
            "{}: {}",
            output.platform,
            config.contains(&format!("\"architecture\":\"{}\"", output.platform.arch()))
        )
    });
    assert_eq!(told.collect::<Vec<_>>(), ["linux/amd64: true", "linux/arm64: true"]);
    insta::assert_snapshot!(engine.told(), @"build context `base` is an image for linux/amd64, and was asked for linux/arm64");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platforms_own_context_counts_first() {
    let engine = Engine::new(&[("/build.lua", "bk.export(bk.image('base'))")]);
    let options = [
        ("platform", "linux/amd64,linux/arm64"),
        ("context:base", "docker-image://alpine:3.20"),
        ("context:base::linux/arm64", "docker-image://arm64v8/alpine:3.20"),
    ];
    let outputs = built(&engine, &options).await.unwrap();
    let told = outputs
        .iter()
        .map(|output| format!("{}: {}", output.platform, sources(&output.definition).join(" ")));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @"
    linux/amd64: docker-image://docker.io/library/alpine:3.20 ([context base] alpine:3.20)
    linux/arm64: docker-image://docker.io/arm64v8/alpine:3.20 ([context base] arm64v8/alpine:3.20)
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_of_the_engine_takes_another_image() {
    let script = "bk.export(bk.image('alpine:3.19'):run('true'))";
    let engine = Engine {
        policy: Arc::new(Some((
            "alpine:3.19".to_owned(),
            "mirror.example.com/alpine:3.19".to_owned(),
        ))),
        ..Engine::new(&[("/build.lua", script)])
    };
    let outputs = built(&engine, &[]).await.unwrap();
    let told = sources(&outputs[0].definition).join(" ");
    assert!(
        told.starts_with("docker-image://mirror.example.com/alpine:3.19 "),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_says_when_registries_are_asked() {
    let script = r#"
        local a = bk.image("alpine", { resolve_mode = "pull" })
        local b = bk.image("busybox", { resolve_mode = "local" })
        local c = bk.image("debian", { resolve_mode = "local" })
        local d = bk.image("debian", { resolve_mode = "pull", platform = "linux/arm64" })
        local e = bk.image("ubuntu")
        bk.export(bk.merge(a, b, c, d, e))"#;
    let engine = Engine::new(&[("/build.lua", script)]);
    assert_eq!(built(&engine, &[]).await.unwrap().len(), 1);
    let asked = engine.asked();
    let images: Vec<&str> = asked.lines().filter(|line| line.starts_with("image")).collect();
    insta::assert_snapshot!(images.join("\n"), @r"
    image docker.io/library/alpine:latest (ForcePull)
    image docker.io/library/busybox:latest (PreferLocal)
    image docker.io/library/debian:latest (ForcePull)
    image docker.io/library/ubuntu:latest
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_for_one_platform_has_no_more() {
    let script = r#"
        for _, platform in { "linux/arm64", "linux/amd64" } do
            bk.export(bk.scratch(), { platform = platform })
        end"#;
    let engine = Engine::new(&[("/build.lua", script)]);
    let built = async |options: &[(&str, &str)]| built(&engine, options).await.map(|outputs| outputs.len());
    let single = ("multi-platform", "false");
    insta::assert_snapshot!(built(&[single]).await.unwrap_err(), @"
    the option `multi-platform` is `false`, and the script builds for `linux/amd64`, `linux/arm64`
    hint: choose one with `--platform`
    ");
    assert_eq!(built(&[single, ("platform", "linux/arm64")]).await, Ok(1));
    assert_eq!(built(&[("multi-platform", "true")]).await, Ok(2));
    assert_eq!(built(&[]).await, Ok(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inputs_of_the_frontend_are_script_and_context() {
    let script = "require('lib') bk.export(bk.local_('context'):mkfile('/a', bk.read_file('a.txt')))";
    let files = [("/build.lua", script), ("/lib.lua", ""), ("/a.txt", "text")];
    let input = |name: &str| (name.to_owned(), download(&format!("https://example.com/{name}")));
    let mut told = Vec::new();
    for (inputs, options) in [
        (vec![input("dockerfile")], vec![]),
        (vec![input("context")], vec![]),
        (vec![input("context"), input("dockerfile")], vec![]),
        (
            vec![input("context"), input("dockerfile")],
            vec![("dockerfilekey", "dockerfile")],
        ),
        (
            vec![input("context"), input("dockerfile")],
            vec![("context", "https://example.com/a.git")],
        ),
    ] {
        let engine = Engine {
            inputs: Arc::new(inputs.into_iter().collect()),
            ..Engine::new(&files)
        };
        built(&engine, &options).await.unwrap();
        let asked = engine.asked();
        let lines = asked.lines().map(|line| line.split(' ').next().unwrap().to_owned());
        told.push(lines.collect::<Vec<_>>().join(" "));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    https://example.com/dockerfile local://context local://context local://context
    https://example.com/context local://dockerfile local://dockerfile https://example.com/context
    https://example.com/dockerfile https://example.com/context https://example.com/context
    https://example.com/context local://dockerfile local://dockerfile https://example.com/context
    git://example.com/a.git git://example.com/a.git
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_what_a_pattern_matches_only_names_are_sent() {
    let script = "print(table.concat(bk.glob('**/*.go'), ' '), #bk.glob('sub/*')) bk.export(bk.scratch())";
    let engine = Engine {
        lists: true,
        ..Engine::new(&[
            ("/build.lua", script),
            ("/.dockerignore", "*.go"),
            ("/a.go", ""),
            ("/sub/deep/b.go", ""),
            ("/sub/c.txt", ""),
        ])
    };
    built(&engine, &[]).await.unwrap();
    insta::assert_snapshot!(engine.told(), @"print: a.go sub/deep/b.go 2");
    let asked = engine.asked();
    let reads: Vec<&str> = asked.lines().filter(|line| line.contains("] read ")).collect();
    insta::assert_snapshot!(reads.join("\n"), @r#"
    local://context local.includepattern=["**/*.go"] local.metadatatransfer=true local.sharedkeyhint=context-read local.unique=session ([internal] read **/*.go)
    local://context local.excludepatterns=["sub/*/**"] local.includepattern=["sub/*"] local.metadatatransfer=true local.sharedkeyhint=context-read local.unique=session ([internal] read sub/*)
    "#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_contexts_are_loaded_where_they_are_used() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let layout = format!("oci-layout://store@{digest}");
    let options = [
        ("context:base", layout.as_str()),
        ("context:dir", "local:dir-of-client"),
        ("context:unused", layout.as_str()),
        ("context:unused-dir", "local:other"),
        ("sharedkey:localdir:dir", "key"),
    ];
    let asked = async |script: &str| {
        let engine = Engine::new(&[("/build.lua", script), ("/.dockerignore", "*.log")]);
        let outputs = built(&engine, &options).await.unwrap();
        let config = String::from_utf8(outputs[0].config.clone()).unwrap();
        let asked = engine.asked().replace(&digest, "DIGEST");
        (
            asked.lines().skip(1).collect::<Vec<_>>().join("\n"),
            config.contains("OF=layout"),
        )
    };
    let (told, _) = asked("bk.export(bk.scratch())").await;
    assert_eq!(told, "");
    let (told, inherits) = asked(
        r#"bk.export(bk.image("base", { platform = "linux/arm64" })
            :copy(bk.local_("dir"), "a", "/")
            :copy(bk.local_("dir"), "b", "/")
            :copy(bk.image("dir"), "c", "/"))"#,
    )
    .await;
    assert!(inherits);
    insta::assert_snapshot!(told, @r#"
    local://dir-of-client local.followpaths=[".dockerignore"] local.sharedkeyhint=context:dir-key-.dockerignore local.unique=session ([context dir] load .dockerignore)
    docker.io/library/base:latest@DIGEST of store for linux/arm64
    oci-layout://docker.io/library/base:latest@DIGEST oci.store=store ([context base] OCI load from client, [context dir] load from client)
    local://dir-of-client local.excludepatterns=["*.log"] local.sharedkeyhint=context:dir-key local.unique=session ([context base] OCI load from client, [context dir] load from client)
    "#);
}
