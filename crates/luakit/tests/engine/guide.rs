//! The pages of `docs/guide/`, and the README, as their readers follow them: a page's files are written, its commands run,
//! from top to bottom, in a project of its own.
//!
//! What a block is, its info string says (the word behind it is for the highlighter):
//!
//!     ```lua build.lua             a file of the project; a later block of that name replaces it
//!     ```sh                        commands, each of which succeeds
//!     ```console                   commands behind `$ `, and what they print; `...` is any lines, `[..]` any text in one
//!     ```console fails             the same, and the last command fails
//!     ```sh stand-ins              `ssh`, `kubectl`, `podman` and `nerdctl` are scripts that reach the test engine
//!     ```sh not run: REASON        nothing is done with it; also behind `console`
//!
//! Any other block ends the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use luakit_testkit::tls::{self, Certificates};

use crate::frontend_image::frontend_image;
use crate::stand_ins::StandIns;
use crate::workbench::Workbench;

/// A fenced block of a page.
struct Block {
    /// The line of its fence, from 1.
    line: usize,
    info: String,
    body: String,
}

/// What is done with a block.
#[derive(Debug, PartialEq)]
enum Step {
    Write(String),
    Run { stand_ins: bool },
    Compare { fails: bool },
    Skip,
}

impl Block {
    fn all(page: &str) -> Vec<Self> {
        let mut blocks = Vec::new();
        let mut lines = page.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if let Some(info) = line.strip_prefix("```") {
                let body = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                let body = body.flat_map(|line| [line, "\n"]).collect();
                let (line, info) = (number + 1, info.to_owned());
                blocks.push(Self { line, info, body });
            }
        }
        blocks
    }

    fn step(&self) -> Result<Step, String> {
        let (language, rest) = self.info.split_once(' ').unwrap_or((&self.info, ""));
        let commands = matches!(language, "sh" | "console");
        if let Some(reason) = rest.strip_prefix("not run").filter(|_| commands) {
            return match reason.strip_prefix(": ") {
                Some(reason) if !reason.trim().is_empty() => Ok(Step::Skip),
                _ => Err("`not run` needs a reason: `not run: REASON`".to_owned()),
            };
        }
        match (language, rest) {
            ("sh", "") => Ok(Step::Run { stand_ins: false }),
            ("sh", "stand-ins") => Ok(Step::Run { stand_ins: true }),
            ("console", "") => Ok(Step::Compare { fails: false }),
            ("console", "fails") => Ok(Step::Compare { fails: true }),
            (_, file) if !commands && !file.is_empty() && !file.contains(' ') => Ok(Step::Write(file.to_owned())),
            _ => Err(format!("`{}` is neither a file nor commands", self.info)),
        }
    }
}

/// What a page's reader has, and the tests haven't: the tests' own in the place of its names.
#[derive(Default)]
struct Setting {
    instead: Vec<(&'static str, String)>,
    variables: Vec<(&'static str, PathBuf)>,
}

/// Follows a page.
fn follow(page: &Path, given: &[(&str, &str)]) {
    follow_in(page, given, |_, _, _| Setting::default());
}

/// Follows a page where things are as `arrange` makes them. What the page shows of them, it must name.
fn follow_in(page: &Path, given: &[(&str, &str)], arrange: impl FnOnce(&Workbench, &Path, &StandIns) -> Setting) {
    let bench = Workbench::new();
    let project = bench.project(given);
    fs::create_dir_all(&project).unwrap();
    let stand_ins = StandIns::new(&bench);
    let setting = arrange(&bench, &project, &stand_ins);
    let mut text = fs::read_to_string(page).unwrap();
    for (named, own) in &setting.instead {
        assert!(text.contains(named), "{}: no `{named}`", page.display());
        text = text.replace(named, own);
    }
    let blocks = Block::all(&text);
    assert!(!blocks.is_empty(), "{}: no block", page.display());
    for block in &blocks {
        let place = format!("{}:{}", page.display(), block.line);
        match block.step().unwrap_or_else(|why| panic!("{place}: {why}")) {
            Step::Write(file) => {
                let file = project.join(file);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, &block.body).unwrap();
            }
            Step::Run { stand_ins: wanted } => {
                let equipped = wanted.then_some(&stand_ins);
                let output = run(&bench, &project, &block.body, equipped, &setting);
                assert!(output.status.success(), "{place}: {}\n{}", output.status, said(&output));
            }
            Step::Compare { fails } => compare(&bench, &project, block, fails, &setting, &place),
            Step::Skip => {}
        }
    }
    for tag in tags(&blocks) {
        // Where a command fails as it should, there is none.
        let _removed = bench.docker(&["image", "rm", "--force", &tag]);
    }
}

/// Runs a shell in the project, with `luakit` and `docker` in its path and all output in one stream.
fn run(bench: &Workbench, project: &Path, script: &str, stand_ins: Option<&StandIns>, setting: &Setting) -> Output {
    let mut command = Command::new("/bin/sh");
    bench.prepare(&mut command, project);
    let binary = Path::new(env!("CARGO_BIN_EXE_luakit"));
    let docker = Path::new(&bench.engine.facts().docker_cli);
    let mut path = format!(
        "{}:{}:/usr/bin:/bin",
        binary.parent().unwrap().display(),
        docker.parent().unwrap().display()
    );
    if let Some(stand_ins) = stand_ins {
        stand_ins.equip(&mut command);
        path = format!("{}:{path}", bench.path("stand-ins").display());
    }
    command.env("PATH", path);
    command.envs(setting.variables.iter().map(|(name, value)| (name, value)));
    command
        .args(["-euc", &format!("exec 2>&1\n{script}")])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Without what the test engine's Docker says of the machine, whose forwarding is left as it is.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.split_inclusive('\n');
    lines
        .filter(|line| !line.starts_with("WARNING: IPv4 forwarding is disabled."))
        .collect()
}

/// Runs the commands of a `console` block, and holds what they print against what it shows.
fn compare(bench: &Workbench, project: &Path, block: &Block, fails: bool, setting: &Setting, place: &str) {
    let commands = sessions(&block.body);
    assert!(!commands.is_empty(), "{place}: no command");
    for (number, (command, expected)) in commands.iter().enumerate() {
        let output = run(bench, project, command, None, setting);
        let text = said(&output);
        let succeeds = !(fails && number + 1 == commands.len());
        assert_eq!(output.status.success(), succeeds, "{place}: `{command}`: {text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines_match(expected, &lines),
            "{place}: `{command}` prints\n{text}and not\n{}",
            expected.join("\n")
        );
    }
}

/// Each command, with the lines behind it.
fn sessions(body: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sessions: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in body.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            sessions.push((command, Vec::new()));
        } else {
            let (_, expected) = sessions.last_mut().unwrap_or_else(|| panic!("no `$ ` before `{line}`"));
            expected.push(line);
        }
    }
    sessions
}

fn lines_match(expected: &[&str], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((&"...", rest)) => (0..=lines.len()).any(|skip| lines_match(rest, &lines[skip..])),
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, lines)| line_matches(first, line) && lines_match(rest, lines)),
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
            ends.into_iter().any(|at| line_matches(rest, &line[at..]))
        }),
    }
}

/// The images that commands name with `-t`. What isn't run made none: one of that name is another test's.
fn tags(blocks: &[Block]) -> BTreeSet<String> {
    let run = blocks.iter().filter(|block| block.step() != Ok(Step::Skip));
    let words: Vec<&str> = run.flat_map(|block| block.body.split_whitespace()).collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == "-t");
    pairs.map(|pair| pair[1].to_owned()).collect()
}

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide")
}

/// One test for each page, and one that finds pages without a test.
macro_rules! followed {
    ($($test:ident: $page:literal,)*) => {
        $(
            #[test]
            fn $test() {
                follow(&guide().join($page), &[]);
            }
        )*

        #[test]
        fn every_page_is_followed() {
            let pages = fs::read_dir(guide()).unwrap();
            let found: BTreeSet<String> =
                pages.map(|page| page.unwrap().file_name().to_string_lossy().into_owned()).collect();
            let otherwise = ["README.md", "09-outputs.md", "10-remote-engines.md"];
            let followed = [$($page),*].into_iter().chain(otherwise).map(str::to_owned);
            let followed: BTreeSet<String> = followed.collect();
            assert_eq!(followed, found);
        }
    };
}

followed! {
    first_image: "01-first-image.md",
    caching: "02-caching.md",
    arguments: "03-arguments-and-functions.md",
    secrets_and_ssh: "04-secrets-and-ssh.md",
    platforms: "05-platforms.md",
    merge_and_diff: "06-merge-and-diff.md",
    monorepos: "07-monorepos.md",
    configs_and_lock_file: "08-configs-and-lock-file.md",
}

/// Its registry is the test engine's.
#[test]
fn outputs() {
    follow_in(&guide().join("09-outputs.md"), &[], |bench, _, _| Setting {
        instead: vec![(
            "registry.example.com/me/",
            format!("{}/guide-", bench.engine.registry()),
        )],
        ..Setting::default()
    });
}

/// Its machines are this one: the Docker there is the test engine, and so is the daemon behind TLS, and the builder.
#[test]
fn remote_engines() {
    follow_in(
        &guide().join("10-remote-engines.md"),
        &[],
        |bench, project, stand_ins| {
            let certificates = Certificates::make(&project.join("certs"), &["127.0.0.1"]).unwrap();
            let port = tls::listen(Path::new(&stand_ins.socket()), Some(&certificates), "h2").unwrap();
            let builders = bench.path("buildx");
            fs::create_dir_all(builders.join("instances")).unwrap();
            let node = serde_json::json!({ "Name": "farm0", "Endpoint": format!("unix://{}", stand_ins.socket()) });
            let builder = serde_json::json!({ "Name": "farm", "Driver": "remote", "Nodes": [node] });
            fs::write(builders.join("instances/farm"), builder.to_string()).unwrap();
            let docker = format!("ssh://me@docker.example{}", bench.engine.docker_socket().display());
            Setting {
                instead: vec![
                    ("ssh://me@docker.example", docker),
                    ("tcp://build.example:1234", format!("tcp://127.0.0.1:{port}")),
                ],
                variables: vec![("BUILDX_CONFIG", builders)],
            }
        },
    );
}

/// Its program is that of an example: "beside a Go program", it says.
#[test]
fn the_readme_is_followed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let example = root.join("examples/patterns/multi-stage-simple");
    let read = |name: &str| fs::read_to_string(example.join(name)).unwrap();
    let given = [("main.go", read("main.go")), ("go.mod", read("go.mod"))];
    let given: Vec<(&str, &str)> = given.iter().map(|(name, text)| (*name, text.as_str())).collect();
    follow(&root.join("README.md"), &given);
}

/// Its registry is the test engine's.
#[test]
fn the_frontend_page_is_followed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/frontend.md");
    follow_in(&page, &[], |_, _, _| Setting {
        instead: vec![("registry.example.com/luakit/frontend", frontend_image().to_owned())],
        ..Setting::default()
    });
}

#[test]
fn a_block_says_what_it_is() {
    let step = |info: &str| {
        let page = format!("text\n```{info}\nbody\n```\n");
        Block::all(&page)[0].step()
    };
    assert_eq!(step("lua libs/go.lua"), Ok(Step::Write("libs/go.lua".to_owned())));
    assert_eq!(step("sh not run: no such machine"), Ok(Step::Skip));
    for wrong in [
        "",
        "lua",
        "sh fast",
        "sh not run",
        "sh not run: ",
        "lua a.lua not run: x",
    ] {
        assert!(step(wrong).is_err(), "`{wrong}`");
    }
}

#[test]
fn shown_output_matches_as_it_says() {
    let matches = |expected: &str, text: &str| {
        let split = |text: &'static str| text.lines().collect::<Vec<_>>();
        let (expected, text) = (expected.to_owned().leak(), text.to_owned().leak());
        lines_match(&split(expected), &split(text))
    };
    assert!(matches("a\n...\nz", "a\nb\nc\nz"));
    assert!(matches("took [..] s, [..]", "took 1.5 s, é"));
    assert!(!matches("a", "a\nb"));
    assert!(!matches("a\n...\nz", "a\nb"));
    assert!(!matches("took [..] s", "took 1.5 ms"));
}
