//! What calls add to the graph, beyond what the golden definitions hold.

use std::net::IpAddr;

use luakit_llb::op::{Command, Exec, FileAction, GitSource, MountKind, Network, Op, ResolveMode, Secret, Source};
use luakit_llb::{CmdForm, ConfigOverlay, State};

use super::{Files, evaluate_with, input, run};
use crate::Evaluation;

/// The op that made the only export.
fn exported(body: &str) -> Op {
    let evaluation = run(input(&format!(
        "local s, i = bk.scratch(), bk.image('alpine')\nbk.export({body})"
    )));
    op(&evaluation, evaluation.exports[0].state).clone()
}

fn op(evaluation: &Evaluation, state: State) -> &Op {
    &evaluation.graph.vertex(state.output.expect("a vertex").vertex).op
}

fn exec(body: &str) -> Exec {
    match exported(body) {
        Op::Exec(exec) => exec,
        other => panic!("{other:?}"),
    }
}

fn config(options: &str) -> ConfigOverlay {
    let mut evaluation = run(input(&format!("bk.export(bk.scratch(), {options})")));
    evaluation.exports.remove(0).config
}

/// A script that checks itself.
fn passes(script: &str) {
    run(input(&format!("bk.export(bk.scratch())\n{script}")));
}

#[test]
fn numbers_become_text_in_environments() {
    let exec = exec("i:run('x', { env = { PORT = 8080, RATIO = 0.5, BIG = 2^40, NEG = -1 } })");
    let text: Vec<String> = exec
        .run
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(text, ["BIG=1099511627776", "NEG=-1", "PORT=8080", "RATIO=0.5"]);
}

#[test]
fn run_takes_every_option() {
    let exec = exec(
        "i:run({ 'a', '' }, { cwd = 'x', user = 1000, hostname = 'h', network = 'host', security = 'insecure', \
         valid_exit_codes = '0..3', extra_hosts = { h = '::ffff:10.0.0.1' }, ulimits = { nofile = { soft = 1 } }, \
         cgroup_parent = 'c', devices = { 'a/b=c' }, readonly_rootfs = false })",
    );
    let run = exec.run;
    assert_eq!(run.command, Command::Args(vec!["a".to_owned(), String::new()]));
    assert_eq!((run.cwd.as_deref(), run.user.as_deref()), (Some("x"), Some("1000")));
    assert_eq!(run.network, Some(Network::Host));
    assert_eq!(run.valid_exit_codes, Some(vec![0, 1, 2, 3]));
    assert_eq!(run.extra_hosts[0].ip, "10.0.0.1".parse::<IpAddr>().unwrap());
    assert_eq!((run.ulimits[0].soft, run.ulimits[0].hard), (1, 1));
    assert_eq!(run.devices[0].name, "a/b=c");
}

#[test]
fn cpus_are_a_quota() {
    let evaluation = run(input(
        "bk.export(bk.image('a'):run('x', { resources = { cpus = 1.5, memory = '1.5g' } }))",
    ));
    let vertex = evaluation.exports[0].state.output.unwrap().vertex;
    let resources = evaluation.graph.vertex(vertex).metadata.resources.clone().unwrap();
    assert_eq!((resources.cpu_period, resources.cpu_quota), (100_000, 150_000));
    assert_eq!(resources.memory, 3 << 29);
}

#[test]
fn secrets_have_the_dockerfile_defaults() {
    let secret = |call: &str| -> Secret {
        exec(&format!("i:run('x', {{ mounts = {{ {call} }} }})"))
            .run
            .secrets
            .remove(0)
    };
    let place = |secret: Secret| (secret.id, secret.file.map(|file| (file.dest, file.mode)), secret.env);
    let text = str::to_owned;
    assert_eq!(
        place(secret("bk.secret('/root/.npmrc')")),
        (text(".npmrc"), Some((text("/root/.npmrc"), 0o400)), None)
    );
    assert_eq!(
        place(secret("bk.secret({ id = 'a/token' })")),
        (text("a/token"), Some((text("/run/secrets/token"), 0o400)), None)
    );
    assert_eq!(
        place(secret("bk.secret({ id = 'token', env = 'T' })")),
        (text("token"), None, Some(text("T")))
    );
}

#[test]
fn caches_have_a_namespace() {
    let id = |namespace: Option<&str>| {
        let mut input = input("bk.export(bk.image('a'):run('x', { mounts = { bk.cache('/c', { id = 'k' }) } }))");
        let namespace = namespace.map(|value| ("BUILDKIT_CACHE_MOUNT_NS".to_owned(), value.to_owned()));
        input.args.extend(namespace);
        let evaluation = run(input);
        match op(&evaluation, evaluation.exports[0].state) {
            Op::Exec(exec) => match &exec.run.mounts[0].kind {
                MountKind::Cache { id, .. } => id.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(id(None), "/k");
    assert_eq!(id(Some("team")), "team/k");
}

#[test]
fn proxy_arguments_are_every_runs_proxy() {
    let mut input =
        input("local i = bk.image('a'); bk.export(i:run('x')); bk.export(i:run('x', { proxy = {} }), { name = 'b' })");
    input.args.insert("HTTP_PROXY".to_owned(), "http://p".to_owned());
    input.args.insert("no_proxy".to_owned(), "localhost".to_owned());
    let evaluation = run(input);
    let proxy = |index: usize| match op(&evaluation, evaluation.exports[index].state) {
        Op::Exec(exec) => exec.run.proxy.clone(),
        other => panic!("{other:?}"),
    };
    let first = proxy(0).expect("a proxy");
    assert_eq!(
        (first.http.as_str(), first.no.as_str(), first.https.as_str()),
        ("http://p", "localhost", "")
    );
    assert_eq!(proxy(1), None);
    assert!(evaluation.warnings.is_empty());
}

#[test]
fn copies_from_a_list_go_into_a_directory() {
    let dests = |body: &str| match exported(body) {
        Op::File(file) => {
            let dest = |action: &FileAction| match action {
                FileAction::Copy(copy) => format!("{} {} {}", copy.src, copy.dest, copy.allow_empty_wildcard),
                other => panic!("{other:?}"),
            };
            file.actions.iter().map(dest).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(dests("s:copy(i, { 'a', 'b*' }, '/x')"), ["a /x/ true", "b* /x/ false"]);
    assert_eq!(dests("s:copy(i, { 'a' }, '/x/.')"), ["a /x/. true"]);
    assert_eq!(dests("s:copy(i, 'a', '/x')"), ["a /x true"]);
    assert_eq!(
        dests("s:copy(i, 'a*', '/x', { allow_empty_wildcard = true })"),
        ["a* /x true"]
    );
}

#[test]
fn sources_take_every_option() {
    let git = |call: &str| match exported(call) {
        Op::Source(Source::Git(git)) => git,
        other => panic!("{other:?}"),
    };
    let GitSource {
        url, reference, subdir, ..
    } = git("bk.git('git@github.com:a/b.git#v1:x/../y/')");
    assert_eq!(
        (url.as_str(), reference.as_deref(), subdir.as_deref()),
        ("git@github.com:a/b.git", Some("v1"), Some("y"))
    );
    // As documentation shortens a commit.
    assert_eq!(
        git("bk.git('https://github.com/a/b.git', { ref = 'a1b2c3d4e5f6...' })")
            .reference
            .as_deref(),
        Some("a1b2c3d4e5f6...")
    );
    for (option, expect) in [
        ("resolve = 'always'", ResolveMode::ForcePull),
        ("resolve = 'never'", ResolveMode::PreferLocal),
        ("resolve_mode = 'local'", ResolveMode::PreferLocal),
        ("resolve = 'default'", ResolveMode::Default),
    ] {
        match exported(&format!("bk.image('a', {{ {option} }})")) {
            Op::Source(Source::Image(image)) => assert_eq!(image.resolve_mode, expect),
            other => panic!("{other:?}"),
        }
    }
    match exported("bk.http('https://a.b/c', { chmod = 644, headers = { ACCEPT = 'a', ['User-Agent'] = 'u' } })") {
        Op::Source(Source::Http(http)) => {
            assert_eq!(
                (http.chmod, http.accept.as_deref(), http.user_agent.as_deref()),
                (Some(0o644), Some("a"), Some("u"))
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_port_needs_no_list() {
    for (given, ports) in [
        ("8080", vec!["8080/tcp"]),
        ("'53/udp'", vec!["53/udp"]),
        ("'90-91'", vec!["90/tcp", "91/tcp"]),
    ] {
        assert_eq!(config(&format!("{{ expose = {given} }}")).expose, ports, "{given}");
    }
}

#[test]
fn exports_describe_an_image() {
    let config = config(
        "{ entrypoint = 'exec app', cmd = { 'a' }, env = { 'B=1', 'A=x=y' }, cwd = '/w', user = 1000, \
         expose = { 8080, '53/udp', '90-91' }, volumes = '/data', labels = { b = 2, a = 'x' }, annotations = { k = 'v' }, \
         stop_signal = 9, shell = { 'sh' }, onbuild = { 'RUN x' }, author = 'me', os = 'linux', arch = 'arm', variant = 'v6' }",
    );
    assert_eq!(config.entrypoint, Some(CmdForm::Shell("exec app".to_owned())));
    assert_eq!(config.cmd, Some(CmdForm::Exec(vec!["a".to_owned()])));
    insta::assert_debug_snapshot!(
        (&config.env, &config.workdir, &config.user, &config.expose, &config.volumes, &config.labels),
        @r#"
    (
        [
            (
                "B",
                "1",
            ),
            (
                "A",
                "x=y",
            ),
        ],
        Some(
            "/w",
        ),
        Some(
            "1000",
        ),
        [
            "8080/tcp",
            "53/udp",
            "90/tcp",
            "91/tcp",
        ],
        [
            "/data",
        ],
        {
            "a": "x",
            "b": "2",
        },
    )
    "#
    );
    assert_eq!(config.stop_signal.as_deref(), Some("9"));
    assert_eq!(
        (config.os.as_deref(), config.arch.as_deref(), config.variant.as_deref()),
        (Some("linux"), Some("arm"), Some("v6"))
    );
}

#[test]
fn healthchecks_are_dockers() {
    let check = |text: &str| {
        config(&format!("{{ healthcheck = {text} }}"))
            .healthcheck
            .expect("a healthcheck")
    };
    assert_eq!(check("'curl x'").test, ["CMD-SHELL", "curl x"]);
    assert_eq!(check("'none'").test, ["NONE"]);
    assert_eq!(check("{ test = { 'curl', 'x' } }").test, ["CMD", "curl", "x"]);
    assert_eq!(check("{ test = { 'CMD', 'curl' } }").test, ["CMD", "curl"]);
    let full = check(
        "{ test = 'x', interval = '1m30s', timeout = 2.5, start_period = 0, start_interval = '500ms', retries = 5 }",
    );
    assert_eq!(
        (full.interval, full.timeout, full.start_period),
        (90_000_000_000, 2_500_000_000, 0)
    );
    assert_eq!((full.start_interval, full.retries), (500_000_000, 5));
}

#[test]
fn an_exports_platform_is_the_options_or_the_states() {
    let evaluation = run(input(
        "for _, p in ipairs({ 'linux/amd64', 'linux/arm/v7' }) do bk.export(bk.image('a', { platform = p }):run('x')) end\n\
         bk.export(bk.image('a'):platform('linux/s390x'), { name = 'b' })\n\
         bk.export(bk.image('a', { platform = 'linux/386' }), { name = 'c', platform = { os = 'linux', arch = 'x86_64' } })\n\
         bk.export(bk.image('a'), { name = 'd', description = 'the d' })",
    ));
    let platforms: Vec<String> = evaluation
        .exports
        .iter()
        .map(|export| export.platform.as_ref().map_or("-".to_owned(), ToString::to_string))
        .collect();
    assert_eq!(
        platforms,
        ["linux/amd64", "linux/arm/v7", "linux/s390x", "linux/amd64", "-"]
    );
    assert_eq!(evaluation.exports[4].description.as_deref(), Some("the d"));
    assert!(!evaluation.reads_target_platform);
}

#[test]
fn arguments_are_declared_and_read() {
    let mut with = input(
        "bk.export(bk.scratch())\n\
         assert(bk.arg('VERSION', '1.0') == '2')\n\
         assert(bk.arg('PORT', 8080, { description = 'the port' }) == '8080')\n\
         assert(bk.arg('VERSION', '3.0', { choices = { '2', '3.0' } }) == '2')\n\
         assert(bk.arg('NONE') == nil)\n\
         assert(bk.arg('EMPTY', 'x') == '')\n\
         assert(bk.arg('BUILDPLATFORM') == 'linux/amd64')",
    );
    with.args.extend(
        [
            ("VERSION", "2"),
            ("EMPTY", ""),
            ("VERSON", "3"),
            ("BUILDKIT_INLINE_CACHE", "1"),
            ("BUILDKIT_INLINE_CACH", "1"),
            ("BUILDKIT_SBOM_SCAN_CONTEXT", "true"),
            ("BUILDKIT_SBOM_SCAN_STAGE", "true"),
            ("BUILDX_ODD", "1"),
            ("http_proxy", "p"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned())),
    );
    let evaluation = run(with);
    let declared: Vec<String> = evaluation
        .args
        .iter()
        .map(|arg| format!("{}={:?} {:?}", arg.name, arg.default, arg.choices))
        .collect();
    insta::assert_debug_snapshot!(declared, @r#"
    [
        "VERSION=Some(\"1.0\") [\"2\", \"3.0\"]",
        "PORT=Some(\"8080\") []",
        "NONE=None []",
        "EMPTY=Some(\"x\") []",
        "BUILDPLATFORM=None []",
    ]
    "#);
    let warnings: Vec<String> = evaluation
        .warnings
        .iter()
        .map(|warning| format!("{}: {}", warning.code, warning.message))
        .collect();
    insta::assert_snapshot!(warnings.join("\n"), @"
    unread-argument: build argument `BUILDKIT_INLINE_CACH` is given, and the script never reads it; did you mean `BUILDKIT_INLINE_CACHE`?
    ignored-argument: `BUILDKIT_SBOM_SCAN_CONTEXT` is ignored: it is about the context of Dockerfiles
    ignored-argument: `BUILDKIT_SBOM_SCAN_STAGE` is ignored: it is about the stages of Dockerfiles
    unread-argument: build argument `BUILDX_ODD` is given, and the script never reads it
    unread-argument: build argument `VERSON` is given, and the script never reads it; did you mean `VERSION`?
    ");
    assert!(!evaluation.reads_target_platform);
}

#[test]
fn a_user_in_a_url_is_warned_of_and_not_told() {
    let evaluation = run(input(
        "bk.git('https://ghp_secret@github.com/a/b')\n\
         bk.git('ghp_secret@github.com/a/b')\n\
         bk.http('http://ghp_secret@h.example/f')\n\
         bk.git('git@github.com:a/b')\n\
         bk.git('ssh://git@github.com/a/b')\n\
         bk.git('https://github.com/a@b')\n\
         bk.export(bk.scratch())",
    ));
    let warnings = evaluation
        .warnings
        .iter()
        .map(|warning| luakit_diagnostic::render(warning, luakit_diagnostic::Colour::Plain));
    insta::assert_snapshot!(warnings.collect::<String>(), @"
    warning[user-in-url]: the URL of bk.git() at build.lua:1 names a user, and becomes part of the build's definition as it is
    hint: if it is a token, leave it out: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_token_secret`
    warning[user-in-url]: the URL of bk.git() at build.lua:2 names a user, and becomes part of the build's definition as it is
    hint: if it is a token, leave it out: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_token_secret`
    warning[user-in-url]: the URL of bk.http() at build.lua:3 names a user, and becomes part of the build's definition as it is
    hint: if it is a token, leave it out: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_header_secret`
    ");
}

#[test]
fn a_password_in_a_script_is_shown_nowhere() {
    let calls = [
        "bk.git('https://me:hunter2@h.example/a.git')",
        "bk.git('me:hunter2@h.example/a.git')",
        "bk.git('ftp://me:hunter2@h.example/a.git')",
        "bk.git('https://me:hunter2@h.example/a b.git')",
        "bk.git('-me:hunter2@h.example/a b.git')",
        "bk.git('https://:hunter2/x@h.example/a b.git')",
        "bk.http('https://me:hunter2@h.example/f')",
        "bk.http('ftp://me:hunter2@h.example/f')",
        "bk.http('ftp://me:hunter/hunter2@h.example/f')",
        "bk.https('http://me:hunter/hunter2@h.example/f')",
        "bk.https('https://:hunter/hunter2@h.example/f')",
        "bk.http('https://me:hunter/hunter2@h.example/f g')",
        "bk.http('https://h.example/f', { chmod = 'x', password = 'hunter2' })",
        "bk.http('https://h.example/f', { headers = { Authorization = [[Bearer hunter2]] } })",
    ];
    for call in calls {
        let failure = crate::evaluate(input(&format!("local token = 'hunter2' -- hunter2\n{call}")))
            .err()
            .unwrap();
        let told = luakit_diagnostic::render(&failure.diagnostic, luakit_diagnostic::Colour::Plain);
        assert!(told.contains("build.lua:2"), "{told}");
        // Whoever is given the diagnostic may show another part of its file.
        assert!(!format!("{told}{failure:?}").contains("hunter2"), "{told}");
    }
    for password in ["12345678", "0xBC614E", "-1.2345678e7"] {
        let call = format!("bk.http('https://h.example/f', {{ chmod = 'x', password = {password} }})");
        let failure = crate::evaluate(input(&format!("local token = {password}\n{call}")))
            .err()
            .unwrap();
        let told = luakit_diagnostic::render(&failure.diagnostic, luakit_diagnostic::Colour::Plain);
        assert!(told.contains("build.lua:2") && told.contains("password = "), "{told}");
        let bare = password.trim_start_matches('-');
        assert!(!format!("{told}{failure:?}").contains(bare), "{told}");
        let other = failure.diagnostic.span.unwrap();
        assert!(!String::from_utf8_lossy(&other.file.data).contains(bare));
    }
    let failure = crate::evaluate(input(&format!("local ok = 1; {}", calls[0])))
        .err()
        .unwrap();
    let told = luakit_diagnostic::render(&failure.diagnostic, luakit_diagnostic::Colour::Plain);
    insta::assert_snapshot!(told, @"
    error[bad-value]: argument 1 (url) of bk.git() must hold no password
     --> build.lua:1:22
      |
    1 | local ok = *; bk.git(************************************)
      |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: secrets don't belong in a build's definition: give it as a build secret, and name that with `auth_token_secret`
    ");
}

#[test]
fn the_target_platform_is_only_read_when_it_is_looked_at() {
    let reads = |script: &str| run(input(&format!("bk.export(bk.scratch())\n{script}"))).reads_target_platform;
    assert!(reads("local arch = bk.target_platform.arch"));
    assert!(reads("local arch = bk.arg('TARGETARCH')"));
    assert!(reads("local arch = os.getenv('TARGETPLATFORM')"));
    assert!(reads("local arch = bk.args.TARGETOS"));
    assert!(!reads("local arch = bk.build_platform.arch .. bk.arg('BUILDARCH')"));
}

#[test]
fn args_is_a_table() {
    let mut with = input(
        "bk.export(bk.scratch())\n\
         local names = {}\n\
         for name, value in pairs(bk.args) do names[#names + 1] = name .. '=' .. value end\n\
         table.sort(names)\n\
         assert(table.concat(names, ' ') == 'A=1 BUILDARCH=amd64 BUILDOS=linux BUILDPLATFORM=linux/amd64 BUILDVARIANT= \
TARGETARCH=arm64 TARGETOS=linux TARGETPLATFORM=linux/arm64 TARGETVARIANT=', table.concat(names, ' '))\n\
         assert(bk.args.NOPE == nil and getmetatable(bk.args) == false)",
    );
    with.args.insert("A".to_owned(), "1".to_owned());
    assert!(run(with).warnings.is_empty());
}

#[test]
fn objects_tell_what_they_are() {
    passes(
        "local function is(value, text) assert(tostring(value) == text, tostring(value)) end\n\
         local i = bk.image('alpine:3.19')\n\
         is(bk.scratch(), 'state(scratch)')\n\
         is(i, 'state(image docker.io/library/alpine:3.19)')\n\
         is(i:run('make\\nall'), 'state(run make…)')\n\
         is(i:run({ 'a', 'b' }), 'state(run a b)')\n\
         is(i:copy(bk.local_('context'), '.', '/app'), 'state(copy . to /app)')\n\
         is(bk.diff(i, i:run('x')), 'state(diff)')\n\
         is(bk.cache('/c'), 'mount(cache /c)')\n\
         is(bk.null, 'null')\n\
         is(bk.platform('linux', 'arm64', 'v8'), 'linux/arm64')\n\
         is(bk.platform({ os = 'linux', arch = 'arm' }), 'linux/arm/v7')\n\
         is(bk.platform(bk.target_platform), 'linux/arm64')\n\
         assert(bk.platform('linux/arm64') == bk.target_platform and bk.platform('linux/386') ~= bk.target_platform)\n\
         assert('app-' .. bk.target_platform .. '!' == 'app-linux/arm64!')\n\
         assert(bk.platform('linux/arm/v7').variant == 'v7' and bk.target_platform.variant == '')\n\
         assert(not getmetatable(i) and not getmetatable(bk) and not getmetatable(bk.tmpfs('/t')))\n\
         assert(select('#', i:run('x')) == 1)",
    );
}

#[test]
fn files_of_the_context_are_read() {
    let files = Files(
        [
            ("go.mod", "module x"),
            ("services/b/x", "\0\u{ff}"),
            ("services/a/x", ""),
        ]
        .map(|(path, data)| (path.to_owned(), data.as_bytes().to_vec()))
        .into(),
    );
    evaluate_with(
        files,
        "bk.export(bk.scratch())\n\
         assert(bk.read_file('go.mod') == 'module x')\n\
         assert(#bk.read_file('services/b/x') == 3)\n\
         assert(table.concat(bk.glob('services/*'), ' ') == 'services/a/x services/b/x')\n\
         assert(#bk.glob('nothing*') == 0)\n\
         assert(bk.exists('go.mod') and not bk.exists('go.sum'))",
    );
}

#[test]
fn values_survive_the_formats() {
    passes(
        "local text = '{\"a\":[],\"b\":{},\"c\":[1,null,\"x\"],\"d\":0.5,\"e\":true}'\n\
         local value = bk.json.decode(text)\n\
         assert(bk.json.encode(value) == text, bk.json.encode(value))\n\
         assert(value.c[2] == bk.null and #value.c == 3 and value.a[1] == nil)\n\
         assert(bk.json.encode(bk.yaml.decode(bk.yaml.encode(value))) == text)\n\
         assert(bk.json.encode({}) == '{}' and bk.json.encode({ 1, 2 }) == '[1,2]' and bk.json.encode('x') == '\"x\"')\n\
         assert(bk.toml.encode(bk.toml.decode('b = 1\\na = [1.5]\\n')) == 'a = [1.5]\\nb = 1\\n')\n\
         value.a[1] = 'new'\n\
         assert(bk.json.encode(value.a) == '[\"new\"]')",
    );
}

#[test]
fn long_chains_of_runs() {
    let evaluation = run(input(
        "local s = bk.image('alpine')\n\
         for n = 1, 20000 do s = s:run('echo ' .. n, { cwd = '/app' }) end\n\
         bk.export(s)",
    ));
    assert_eq!(evaluation.graph.len(), 20_001);
}

#[test]
fn an_argument_read_from_args_says_nothing_of_the_others() {
    let warnings = |script: &str| -> Vec<String> {
        let mut with = input(&format!("bk.export(bk.scratch())\n{script}"));
        with.args.insert("VERSION".to_owned(), "1".to_owned());
        with.args.insert("CHANEL".to_owned(), "beta".to_owned());
        run(with).warnings.into_iter().map(|warning| warning.message).collect()
    };
    assert_eq!(
        warnings("assert(bk.args.VERSION == '1' and bk.args.CHANNEL == nil)"),
        ["build argument `CHANEL` is given, and the script never reads it; did you mean `CHANNEL`?"]
    );
    assert_eq!(warnings("local args = bk.args").len(), 2);
    for all in [
        "for name, value in pairs(bk.args) do end",
        "local found = 0; for name, value in bk.args do found += 1 end; assert(found == 10)",
        "assert(next(bk.args))",
        "assert(bk.json.encode(bk.args):find('beta'))",
        "bk.scratch():env(bk.args)",
    ] {
        assert_eq!(warnings(all), Vec::<String>::new(), "{all}");
    }
}
