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
use luakit_llb::{Definition, Platform, Reference, ResolvedImage};
use luakit_proto::{Message as _, map, pb};

/// An engine where every result holds the same files, and that remembers what it is asked.
#[derive(Clone, Default)]
struct Engine {
    /// By path; links have a `->` before what they say.
    files: Arc<BTreeMap<String, String>>,
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
    async fn resolve(&self, reference: &Reference, platforms: &[Platform]) -> Vec<Result<ResolvedImage, ResolveError>> {
        self.asked.lock().unwrap().push(format!("image {reference}"));
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
            Ok(ResolvedImage {
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
        Ok(BTreeMap::new())
    }

    async fn warn(&self, vertex: &str, warning: &Diagnostic) {
        assert!(vertex.starts_with("sha256:"), "{vertex}");
        self.told.lock().unwrap().push(render_without_source(warning));
    }
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
    local://context local.followpaths=[".dockerignore"] local.session=other local.sharedkeyhint=context-.dockerignore local.unique=session ([internal] load .dockerignore)
    local://dockerfile local.excludepatterns=["libs/lib.lua/**"] local.followpaths=["libs/lib.lua"] local.sharedkeyhint=dockerfile-read local.unique=session ([internal] read libs/lib.lua)
    local://context local.excludepatterns=["a.txt/**"] local.followpaths=["a.txt"] local.session=other local.sharedkeyhint=context-read local.unique=session ([internal] read a.txt)
    local://context local.excludepatterns=["src/*.go/**"] local.includepattern=["src/*.go"] local.session=other local.sharedkeyhint=context-read local.unique=session ([internal] read src/*.go)
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
