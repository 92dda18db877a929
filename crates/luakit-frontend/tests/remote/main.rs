//! A frontend on an engine that is made up: what it asks for, what it answers, what it tells the user.

#![allow(
    clippy::unwrap_used,
    clippy::result_large_err,
    reason = "a panic is how a test fails"
)]

mod engine;
mod images;
mod options;
mod platforms;

use std::sync::Arc;

use engine::{Engine, built, download, job};
use luakit_frontend::remote::{Answer, build};

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

/// What is no directory of the client's is there whole: its ignore files are nobody's business.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ignore_file_that_does_not_count_is_not_read() {
    let engine = Engine::new(&[
        ("/build.lua", "bk.export(bk.local_('context'))"),
        ("/build.lua.dockerignore", "->/etc/passwd"),
    ]);
    let remote = [("context", "https://example.com/a.git")];
    assert_eq!(built(&engine, &remote).await.map(|outputs| outputs.len()), Ok(1));
    insta::assert_snapshot!(built(&engine, &[]).await.unwrap_err(), @"can't read `build.lua.dockerignore`: it is a link to somewhere else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dockerfile_may_be_in_lower_case() {
    let script = "bk.export(bk.scratch())";
    let engine = Engine::new(&[("/dockerfile", script), ("/sub/dockerfile", script)]);
    for name in ["Dockerfile", "sub/Dockerfile"] {
        let outputs = built(&engine, &[("filename", name)]).await;
        assert_eq!(outputs.map(|outputs| outputs.len()), Ok(1), "{name}");
    }
    let told = built(&engine, &[("filename", "a.Dockerfile")]).await.unwrap_err();
    assert!(told.starts_with("there is no script `a.Dockerfile`"), "{told}");
    assert!(
        engine
            .asked()
            .contains(r#"["Dockerfile","Dockerfile.dockerignore","luakit.lock","dockerfile"]"#)
    );
    let both = Engine::new(&[("/Dockerfile", script), ("/dockerfile", "error('the wrong one')")]);
    assert!(built(&both, &[("filename", "Dockerfile")]).await.is_ok());
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
        (vec![input("context")], vec![("dockerfilekey", "context")]),
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
    https://example.com/context local://context local://context https://example.com/context
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

/// A script may catch that an ignore file is wrong: what ends it then is something else, and no reason to read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_ignore_file_is_read_once_and_told_where_it_counts() {
    let told = async |script: &str| {
        let engine = Engine::new(&[("/build.lua", script), ("/.dockerignore", "*.log\n[a\n")]);
        let error = built(&engine, &[]).await.unwrap_err();
        let reads = engine
            .asked()
            .lines()
            .filter(|line| line.contains(".dockerignore)"))
            .count();
        format!("{reads}: {error}")
    };
    insta::assert_snapshot!(told("bk.export(bk.local_('context'))").await, @"
    1: syntax error in pattern `[a`
    note: of the directory `context`
    ");
    let caught = "for i = 1, 3 do pcall(bk.local_, 'context') end error('something else')";
    insta::assert_snapshot!(told(caught).await, @"1: something else");
}

/// Several may be wrong in the same way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wrong_ignore_file_is_the_one_that_the_script_needed() {
    let script = "pcall(bk.local_, 'one') bk.export(bk.local_('two'))";
    let engine = Engine::new(&[("/build.lua", script), ("/.dockerignore", "[a\n")]);
    let options = [("context:one", "local:first"), ("context:two", "local:second")];
    insta::assert_snapshot!(built(&engine, &options).await.unwrap_err(), @"
    syntax error in pattern `[a`
    note: of the directory `second`
    ");
}

/// Docker refuses to give directories names that are not in lower case.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_docker_can_not_name() {
    let told = async |name: &str| {
        let script = format!("bk.export(bk.local_('{name}'))");
        let engine = Engine {
            offered: Arc::new(vec!["dockerfile".to_owned(), "context".to_owned()]),
            ..Engine::new(&[("/build.lua", &script)])
        };
        built(&engine, &[]).await.unwrap_err()
    };
    let told = [told("data").await, told("Data").await, told("da ta").await];
    insta::assert_snapshot!(told.join("\n"), @"
    the build needs the local directory `data`, which was not given
    hint: give it with `--build-context data=DIR`
    the build needs the local directory `Data`, which was not given
    hint: docker knows directories by names in lower case alone: call it `data` in the script, and give it with `--build-context data=DIR`
    the build needs the local directory `da ta`, which was not given
    hint: give it with `--build-context`, under a name as images have: that one is none
    ");
}
