//! What is answered when something else than a build is asked for.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::sync::Arc;

use luakit_diagnostic::{Diagnostic, SourceFile};
use luakit_frontend::subrequest::{self, Answer};
use luakit_frontend::{Plan, PlanError, Request, Selection};
use luakit_llb::Platform;
use luakit_script::{DirLoader, Limits, NamedContexts};

const SCRIPT: &str = r#"-- A web service.
local version = bk.arg("VERSION", "1.0", { description = "what is built" })
local mode = bk.arg("MODE", "release", { choices = { "release", "debug" } })

local base = bk.image("golang:1.21")
local built = base:run("go build", {
    mounts = {
        bk.cache("/root/.cache/go-build"),
        bk.cache("/go/pkg", { id = "modules" }),
        bk.secret("/run/secrets/npm"),
        bk.secret("/run/secrets/token", { optional = true }),
        bk.ssh(),
    },
})
local tests = built:run("go test", { mounts = { bk.secret("/t", { id = "token" }), bk.ssh({ id = "deploy", optional = true }) } })

bk.export(built, { description = "the service" })
bk.export(tests, { name = "test", description = "what CI\nruns" })
for _, platform in ipairs { "linux/arm64", "linux/amd64" } do
    bk.export(bk.local_("context"), { name = "files", platform = platform })
end
"#;

fn plan(script: &str, selection: Selection<'_>, args: &BTreeMap<String, String>) -> Result<Plan, PlanError> {
    let request = Request {
        script_name: "build.lua".to_owned(),
        script: script.as_bytes().to_vec(),
        loader: Arc::new(DirLoader::open(None, None).unwrap()),
        args: args.clone(),
        contexts: NamedContexts::default(),
        limits: Limits::default(),
        print: Arc::new(|_| {}),
        selection,
        platforms: Vec::new(),
        default_platform: Platform::linux_amd64(),
        build_platform: Platform::linux_amd64(),
    };
    Plan::evaluate(&request)
}

fn given(args: &[(&str, &str)]) -> BTreeMap<String, String> {
    args.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn source(script: &str) -> Arc<SourceFile> {
    SourceFile::new("build.lua", script.as_bytes())
}

/// The answer's text and its JSON, with places on one line and the sources' texts cut short.
fn shown(answer: &Answer) -> String {
    let mut text = answer.text.clone();
    let mut depth = 0;
    for line in answer.json.lines() {
        let line = line.split("LS0g").next().unwrap();
        let opens = line.ends_with(['{', '[']);
        if depth == 0 {
            text.push_str(line);
            depth = usize::from(line.ends_with("\"location\": {"));
        } else {
            text.push_str(line.trim_start());
            depth = if opens {
                depth + 1
            } else {
                depth - usize::from(line.trim_start().starts_with(['}', ']']))
            };
        }
        if depth == 0 {
            text.push('\n');
        }
    }
    text
}

#[test]
fn requests_have_their_names() {
    for request in subrequest::Request::ALL {
        assert_eq!(subrequest::Request::parse(request.id()), Ok(request));
    }
    let told = ["frontend.outlin", "frontend.convertllb"].map(|id| {
        let error = subrequest::Request::parse(id).unwrap_err();
        format!("{error}: {}", error.hint())
    });
    insta::assert_snapshot!(told.join("\n"), @"
    unsupported request `frontend.outlin`: did you mean `frontend.outline`?
    unsupported request `frontend.convertllb`: there are frontend.subrequests.describe, frontend.outline, frontend.targets, frontend.lint
    ");
}

#[test]
fn what_may_be_asked() {
    insta::assert_snapshot!(subrequest::describe().text, @"
    NAME                 VERSION DESCRIPTION
    outline              1.0.0   List what the target takes: arguments, secrets, ssh agents and caches
    targets              1.0.0   List the targets
    lint                 1.0.0   Check the script without building it
    subrequests.describe 1.0.0   List the requests that can be made
    ");
    let answer = subrequest::describe();
    assert_eq!(
        answer.metadata().keys().copied().collect::<Vec<_>>(),
        ["result.json", "result.txt", "version"]
    );
    let described: serde_json::Value = serde_json::from_str(&answer.json).unwrap();
    insta::assert_snapshot!(described.pointer("/2").unwrap().to_string(), @r#"{"description":"Check the script without building it","inputs":[],"metadata":[{"description":"","name":"result.json"},{"description":"","name":"result.txt"},{"description":"","name":"result.statuscode"}],"name":"frontend.lint","opts":[],"refs":[],"type":"rpc","version":"1.0.0"}"#);
}

#[test]
fn what_a_target_takes() {
    let args = given(&[("VERSION", "2.0"), ("BUILDKIT_CACHE_MOUNT_NS", "ns")]);
    let plan = plan(SCRIPT, Selection::Named("test"), &args).unwrap();
    insta::assert_snapshot!(shown(&subrequest::outline(&plan, &source(SCRIPT), &args)), @r#"
    TARGET:      test
    DESCRIPTION: what CI runs

    BUILD ARG   VALUE     DESCRIPTION
    VERSION     2.0       what is built
    MODE        release   one of release, debug

    SECRET   REQUIRED
    npm      true
    token    true

    SSH       REQUIRED
    default   true
    deploy    

    {
      "name": "test",
      "description": "what CI\nruns",
      "args": [
        {
          "name": "VERSION",
          "description": "what is built",
          "value": "2.0",
          "location": {"ranges": [{"start": {"line": 2},"end": {"line": 2}}]}
        },
        {
          "name": "MODE",
          "description": "one of release, debug",
          "value": "release",
          "location": {"ranges": [{"start": {"line": 3},"end": {"line": 3}}]}
        }
      ],
      "secrets": [
        {
          "name": "npm",
          "required": true,
          "location": {"ranges": [{"start": {"line": 6},"end": {"line": 6}}]}
        },
        {
          "name": "token",
          "required": true,
          "location": {"ranges": [{"start": {"line": 6},"end": {"line": 6}}]}
        }
      ],
      "ssh": [
        {
          "name": "default",
          "required": true,
          "location": {"ranges": [{"start": {"line": 6},"end": {"line": 6}}]}
        },
        {
          "name": "deploy",
          "location": {"ranges": [{"start": {"line": 15},"end": {"line": 15}}]}
        }
      ],
      "cache": [
        {
          "ID": "/root/.cache/go-build",
          "location": {"ranges": [{"start": {"line": 6},"end": {"line": 6}}]}
        },
        {
          "ID": "modules",
          "location": {"ranges": [{"start": {"line": 6},"end": {"line": 6}}]}
        }
      ],
      "sources": [
        "
      ]
    }
    "#);
}

#[test]
fn a_default_target_has_no_name() {
    let args = BTreeMap::new();
    let plan = plan(SCRIPT, Selection::Default, &args).unwrap();
    insta::assert_snapshot!(subrequest::outline(&plan, &source(SCRIPT), &args).text, @"
    TARGET:      (default)
    DESCRIPTION: the service

    BUILD ARG   VALUE     DESCRIPTION
    VERSION     1.0       what is built
    MODE        release   one of release, debug

    SECRET   REQUIRED
    npm      true
    token    

    SSH       REQUIRED
    default   true
    ");
    let script = "bk.export(bk.scratch():mkdir('/x'))";
    let plan = self::plan(script, Selection::Default, &args).unwrap();
    assert_eq!(subrequest::outline(&plan, &source(script), &args).text, "");
}

#[test]
fn sources_take_secrets_and_agents_too() {
    let script = "bk.export(bk.merge(bk.git('git@example.com:a/b', { auth_token_secret = 'git' }),
        bk.git('https://example.com/a.git'), bk.http('https://example.com/x', { auth_header_secret = 'web' })))";
    let args = BTreeMap::new();
    let plan = plan(script, Selection::Default, &args).unwrap();
    insta::assert_snapshot!(subrequest::outline(&plan, &source(script), &args).text, @"
    SECRET   REQUIRED
    git      
    web      true

    SSH       REQUIRED
    default   true
    ");
}

#[test]
fn which_targets_there_are() {
    let plan = plan(SCRIPT, Selection::Every, &BTreeMap::new()).unwrap();
    insta::assert_snapshot!(shown(&subrequest::targets(&plan, &source(SCRIPT))), @r#"
    TARGET    DESCRIPTION
    (default) the service
    test      what CI runs
    files     
    {
      "targets": [
        {
          "default": true,
          "description": "the service",
          "base": "golang:1.21",
          "location": {"ranges": [{"start": {"line": 17},"end": {"line": 17}}]}
        },
        {
          "name": "test",
          "description": "what CI\nruns",
          "base": "golang:1.21",
          "location": {"ranges": [{"start": {"line": 18},"end": {"line": 18}}]}
        },
        {
          "name": "files",
          "platform": "linux/amd64,linux/arm64",
          "location": {"ranges": [{"start": {"line": 20},"end": {"line": 20}}]}
        }
      ],
      "sources": [
        "
      ]
    }
    "#);
}

#[test]
fn a_single_target_is_the_default_one() {
    let script = "bk.export(bk.image('alpine'), { name = 'app' })";
    let plan = plan(script, Selection::Every, &BTreeMap::new()).unwrap();
    insta::assert_snapshot!(subrequest::targets(&plan, &source(script)).text, @"
    TARGET        DESCRIPTION
    app (default)
    ");
}

#[test]
fn what_is_odd() {
    let args = given(&[("VERSIN", "2.0")]);
    let plan = plan(SCRIPT, Selection::Every, &args);
    let file = source(SCRIPT);
    let span = luakit_diagnostic::Span::columns(Arc::clone(&file), 5, 14..22);
    let more = [Diagnostic::warning("image-platform", "it is another")
        .with_span(span)
        .with_hint("say which")];
    let checked = subrequest::lint(plan.as_ref(), &file, &more);
    assert_eq!((checked.warnings, checked.answer.status), (2, Some(1)));
    insta::assert_snapshot!(shown(&checked.answer), @r#"

    WARNING: unread-argument
    build argument `VERSIN` is given, and the script never reads it; did you mean `VERSION`?

    WARNING: image-platform
    it is another
    hint: say which
    build.lua:5
    --------------------
       3 |     local mode = bk.arg("MODE", "release", { choices = { "release", "debug" } })
       4 |     
       5 | >>> local base = bk.image("golang:1.21")
       6 |     local built = base:run("go build", {
       7 |         mounts = {
    --------------------
    {
      "warnings": [
        {
          "ruleName": "unread-argument",
          "description": "Build arguments that are given should be read by the script",
          "detail": "build argument `VERSIN` is given, and the script never reads it; did you mean `VERSION`?",
          "location": {"sourceIndex": -1}
        },
        {
          "ruleName": "image-platform",
          "description": "Images should be for the platform that they are used on",
          "detail": "it is another\nhint: say which",
          "location": {"ranges": [{"start": {"line": 5,"character": 13},"end": {"line": 5,"character": 21}}]}
        }
      ],
      "sources": [
        {
          "filename": "build.lua",
          "data": "
          "language": "Lua"
        }
      ]
    }
    "#);
}

#[test]
fn what_is_wrong() {
    let script = "-- Wrong.\nlocal base = bk.image('alpine')\nbk.export(base:rnu('true'))\n";
    let plan = plan(script, Selection::Every, &BTreeMap::new());
    let checked = subrequest::lint(plan.as_ref(), &source(script), &[]);
    assert_eq!((checked.warnings, checked.answer.status), (0, Some(1)));
    assert_eq!(checked.answer.metadata()["result.statuscode"], b"1");
    insta::assert_snapshot!(checked.error, @r"
    a state has no `rnu`; did you mean `state:run()`?
    build.lua:3
    --------------------
       1 |     -- Wrong.
       2 |     local base = bk.image('alpine')
       3 | >>> bk.export(base:rnu('true'))
       4 |     
    --------------------
    ");
    insta::assert_snapshot!(shown(&checked.answer), @r#"
    {
      "warnings": [],
      "sources": [
        {
          "filename": "build.lua",
          "data": "
          "language": "Lua"
        }
      ],
      "buildError": {
        "message": "a state has no `rnu`; did you mean `state:run()`?",
        "location": {"ranges": [{"start": {"line": 3,"character": 15},"end": {"line": 3,"character": 18}}]}
      }
    }
    "#);
}

#[test]
fn a_target_that_is_not_there_is_wrong_with_the_script() {
    let plan = plan(SCRIPT, Selection::Named("tset"), &BTreeMap::new());
    let checked = subrequest::lint(plan.as_ref(), &source(SCRIPT), &[]);
    let json: serde_json::Value = serde_json::from_str(&checked.answer.json).unwrap();
    insta::assert_snapshot!(json.get("buildError").unwrap().to_string(), @r#"{"location":{},"message":"the script has no target `tset`\nhint: did you mean `test`?"}"#);
}

#[test]
fn nothing_is_odd() {
    let plan = plan(SCRIPT, Selection::Every, &BTreeMap::new());
    let checked = subrequest::lint(plan.as_ref(), &source(SCRIPT), &[]);
    assert_eq!(
        (checked.warnings, checked.answer.status, checked.answer.text.as_str()),
        (0, Some(0), "")
    );
}
