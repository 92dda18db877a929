//! Recorded and made-up builds, as frames on terminals of several sizes.

use luakit_buildkit::progress::{Group, Log, Update, Vertex, Warning};
use proptest::prelude::*;

use super::*;

fn at(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1000) + Duration::from_millis(milliseconds)
}

fn vertex(name: &str, start: u64, end: Option<u64>) -> Vertex {
    Vertex {
        digest: name.into(),
        name: name.into(),
        started: Some(at(start)),
        completed: end.map(at),
        ..Vertex::default()
    }
}

fn cached(name: &str, time: u64) -> Vertex {
    Vertex {
        cached: true,
        ..vertex(name, time, Some(time))
    }
}

fn status(vertex: &str, id: &str, current: i64, total: i64, end: Option<u64>) -> Status {
    Status {
        id: id.into(),
        vertex: vertex.into(),
        name: String::new(),
        current,
        total,
        timestamp: Some(at(1000)),
        started: Some(at(500)),
        completed: end.map(at),
    }
}

fn log(vertex: &str, data: &str) -> Log {
    Log {
        vertex: vertex.into(),
        stream: 1,
        data: data.to_owned().into(),
        timestamp: None,
    }
}

fn place(digest: &str) -> Option<String> {
    digest.contains("/bin/sh").then(|| "build.lua:12".to_owned())
}

fn view(columns: usize, rows: usize, milliseconds: u64) -> View<'static> {
    View {
        size: Size { columns, rows },
        elapsed: Duration::from_millis(milliseconds),
        now: at(milliseconds),
        log_lines: 6,
        place: &place,
    }
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
}

const IMAGE: &str = "docker-image://docker.io/library/golang:1.21@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const LAYER: &str = "sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// A build of nine steps, in the middle: an image is pulled, a command runs, others have ended.
fn middle() -> Tracker {
    let waiting = |name: &str| Vertex {
        started: None,
        ..vertex(name, 0, None)
    };
    let mut vertices = vec![
        vertex("local://context", 0, Some(320)),
        cached("docker-image://docker.io/library/alpine:3.19", 10),
        cached("/bin/sh -c apk add --no-cache git", 20),
        cached("/bin/sh -c adduser -D app", 30),
        vertex(IMAGE, 40, None),
        vertex(
            "/bin/sh -c go build\n  -ldflags '-s -w' -o /out/server ./cmd/server/main.go",
            1500,
            None,
        ),
        vertex("/bin/sh -c npm ci", 1600, Some(4900)),
    ];
    vertices.extend([waiting("copy /out/server /app/server"), waiting("/bin/sh -c true")]);
    let statuses = vec![
        status("local://context", "transferring context:", 1_234_567, 0, Some(320)),
        status(IMAGE, LAYER, 13_400_000, 40_100_000, None),
        status(IMAGE, "resolve docker.io/library/golang:1.21", 0, 0, Some(700)),
        status(IMAGE, "extracting", 0, 0, None),
    ];
    let build = "/bin/sh -c go build\n  -ldflags '-s -w' -o /out/server ./cmd/server/main.go";
    let lines = (1..=9).map(|n| {
        log(
            build,
            &format!("\u{1b}[32mgo: downloading\u{1b}[0m example.com/m{n}\t日本\r\n"),
        )
    });
    let others = [log("/bin/sh -c npm ci", "added 3 packages\n")];
    let mut tracker = Tracker::default();
    tracker.note(&Update {
        vertices,
        statuses,
        logs: lines.chain(others).collect(),
        warnings: vec![Warning {
            vertex: build.into(),
            level: 1,
            short: "the module cache is not mounted".into(),
            detail: Vec::new(),
            url: String::new(),
            source: None,
        }],
    });
    tracker
}

#[test]
fn a_usual_terminal() {
    insta::assert_snapshot!(text(&running(&middle(), &view(80, 24, 12_345))), @"
    [+] Building 12.3s (5/9)
     => DONE local://context                                                    0.3s
     => CACHED docker-image://docker.io/library/alpine:3.19                     0.0s
     => CACHED /bin/sh -c apk add --no-cache git                   build.lua:12 0.0s
     => CACHED /bin/sh -c adduser -D app                           build.lua:12 0.0s
     => docker-image://docker.io/library/golang:1.21@sha256:0123456789ab       12.3s
     => => sha256:fedcba987654          [======>           ] 13.40MB / 40.10MB 11.8s
     => => resolve docker.io/library/golang:1.21                                0.2s
     => => extracting                                                          11.8s
     => /bin/sh -c go build -ldflags '-s -w' -o /out/server ./cmd build.lua:12 10.8s
     => => WARN: the module cache is not mounted
     => => # go: downloading example.com/m4  日本
     => => # go: downloading example.com/m5  日本
     => => # go: downloading example.com/m6  日本
     => => # go: downloading example.com/m7  日本
     => => # go: downloading example.com/m8  日本
     => => # go: downloading example.com/m9  日本
     => DONE /bin/sh -c npm ci                                     build.lua:12 3.3s
    ");
}

#[test]
fn a_small_terminal() {
    insta::assert_snapshot!(text(&running(&middle(), &view(40, 10, 12_345))), @"
    [+] Building 12.3s (5/9)
     => ... 2 ended, 3 cached
     => docker-image://docker.io/libra 12.3s
     => => sha256:fe 13.40MB / 40.10MB 11.8s
     => => resolve docker.io/library/go 0.2s
     => => extracting                  11.8s
     => /bin/sh -c go build -ldflags ' 10.8s
     => => WARN: the module cache is not mou
     => => # go: downloading example.com/m9
    ");
}

#[test]
fn a_tiny_terminal() {
    insta::assert_snapshot!(text(&running(&middle(), &view(20, 5, 12_345))), @"
    12.3s (5/9)
     => ... 2 ended, 3 c
     => docker-ima 12.3s
     => /bin/sh -c 10.8s
    ");
}

#[test]
fn one_column_or_row() {
    assert_eq!(running(&middle(), &view(80, 1, 0)), []);
    assert_eq!(text(&running(&middle(), &view(1, 4, 0))), "0\n \n ");
    assert_eq!(running(&middle(), &view(80, 2, 0)).len(), 1);
}

#[test]
fn a_build_that_failed() {
    let mut tracker = middle();
    let error = |error: &str, name: &str, start| Vertex {
        error: error.into(),
        ..vertex(name, start, Some(13_000))
    };
    tracker.note(&Update {
        vertices: vec![
            error("exit code: 1", "/bin/sh -c npm test", 12_500),
            error("pulling: context canceled", IMAGE, 40),
        ],
        ..Update::default()
    });
    insta::assert_snapshot!(text(&ended(&tracker, &view(80, 24, 13_100), Outcome::Failed)), @"
    [+] Building 13.1s (7/10) FAILED
     => DONE local://context                                                    0.3s
     => CACHED docker-image://docker.io/library/alpine:3.19                     0.0s
     => CACHED /bin/sh -c apk add --no-cache git                   build.lua:12 0.0s
     => CACHED /bin/sh -c adduser -D app                           build.lua:12 0.0s
     => CANCELED docker-image://docker.io/library/golang:1.21@sha256:012345678 13.0s
     => CANCELED /bin/sh -c go build -ldflags '-s -w' -o /out/ser build.lua:12 11.6s
     => => WARN: the module cache is not mounted
     => DONE /bin/sh -c npm ci                                     build.lua:12 3.3s
     => ERROR /bin/sh -c npm test                                  build.lua:12 0.5s
    [+] failed after 13.1s: 8 steps, 3 cached
    ");
}

#[test]
fn a_build_that_succeeded_on_a_small_terminal() {
    let mut tracker = Tracker::default();
    let group = |weak| {
        Some(Group {
            id: "g".into(),
            name: "install the tools".into(),
            weak,
        })
    };
    let mut vertices = vec![
        cached("docker-image://docker.io/library/alpine:3.19", 10),
        vertex("/bin/sh -c make", 100, Some(2_100)),
        vertex("exporting to image", 2_100, Some(2_130)),
    ];
    vertices.extend([("a", true), ("b", false)].map(|(name, weak)| Vertex {
        group: group(weak),
        ..vertex(name, 50, Some(150))
    }));
    tracker.note(&Update {
        vertices,
        ..Update::default()
    });
    insta::assert_snapshot!(text(&ended(&tracker, &view(40, 10, 2_200), Outcome::Done)), @"
    [+] Building 2.2s (4/4) FINISHED
     => CACHED docker-image://docker.io 0.0s
     => DONE install the tools          0.1s
     => DONE /bin/sh -c make            2.0s
     => DONE exporting to image         0.0s
    [+] built in 2.2s: 4 steps, 1 cached
    ");
}

#[test]
fn five_hundred_steps() {
    let mut tracker = Tracker::default();
    let step = |n: u64| match n {
        0..300 => cached(&format!("cached {n}"), n),
        300..480 => vertex(&format!("done {n}"), n, Some(1000 + n)),
        _ => vertex(&format!("running {n}"), n, None),
    };
    tracker.note(&Update {
        vertices: (0..500).map(step).collect(),
        logs: vec![log("running 490", "a line\n")],
        ..Update::default()
    });
    insta::assert_snapshot!(text(&running(&tracker, &view(40, 10, 3_000))), @"
    [+] Building 3.0s (480/500)
     => ... 13 running, 180 ended, 300 cache
     => running 480                     2.5s
     => running 481                     2.5s
     => running 482                     2.5s
     => running 483                     2.5s
     => running 484                     2.5s
     => running 485                     2.5s
     => running 486                     2.5s
    ");
    let frame = running(&tracker, &view(80, 24, 3_000));
    assert_eq!(frame.len(), 23);
    assert!(text(&frame).contains("# a line"), "{}", text(&frame));
    assert_eq!(ended(&tracker, &view(80, 24, 3_000), Outcome::Done).len(), 502);
}

#[test]
fn nothing_began() {
    assert_eq!(ended(&Tracker::default(), &view(80, 24, 10), Outcome::Failed), []);
}

#[test]
fn bars() {
    let bars = [(0, 9), (1, 9), (9, 9), (20, 9), (-5, 9), (i64::MAX, i64::MAX)].map(|(now, all)| bar(now, all));
    insta::assert_snapshot!(bars.join("\n"), @"
    [>                 ]
    [==>               ]
    [==================]
    [==================]
    [>                 ]
    [==================]
    ");
}

prop_compose! {
    fn any_vertex()(
        name in "[a-z日\u{1b}\n\t\u{301} ]{0,60}",
        digest in 0..12_u8,
        start in proptest::option::of(0..5000_u64),
        length in proptest::option::of(0..5000_u64),
        cached: bool,
        error in prop_oneof!["", "broken", "context canceled"],
        group in proptest::option::of((0..3_u8, any::<bool>())),
    ) -> Vertex {
        Vertex {
            digest: digest.to_string(),
            inputs: Vec::new(),
            name,
            cached,
            started: start.map(at),
            completed: start.zip(length).map(|(start, length)| at(start + length)),
            error,
            group: group.map(|(id, weak)| Group { id: id.to_string(), name: format!("group {id}"), weak }),
        }
    }
}

prop_compose! {
    fn any_update()(
        vertices in proptest::collection::vec(any_vertex(), 0..20),
        statuses in proptest::collection::vec((0..12_u8, "\\PC{0,30}", any::<i64>(), any::<i64>(), any::<bool>()), 0..10),
        logs in proptest::collection::vec((0..12_u8, proptest::collection::vec(any::<u8>(), 0..80)), 0..10),
        texts in proptest::collection::vec((0..12_u8, "\\PC{0,80}"), 0..5),
    ) -> Update {
        let text_log = |(digest, text): (u8, String)| log(&digest.to_string(), &text);
        let byte_log = |(digest, data): (u8, Vec<u8>)| Log { data: data.into(), ..log(&digest.to_string(), "") };
        Update {
            vertices,
            statuses: statuses
                .into_iter()
                .map(|(v, id, current, total, done)| status(&v.to_string(), &id, current, total, done.then_some(700)))
                .collect(),
            logs: logs.into_iter().map(byte_log).chain(texts.into_iter().map(text_log)).collect(),
            warnings: Vec::new(),
        }
    }
}

proptest! {
    /// Whatever an engine says and however small the terminal: frames fit it, and hold nothing that moves the cursor.
    #[test]
    fn frames_fit(
        updates in proptest::collection::vec(any_update(), 1..4),
        columns in 1..100_usize,
        rows in 1..30_usize,
        now in 0..9000_u64,
    ) {
        let mut tracker = Tracker::default();
        for update in &updates {
            tracker.note(update);
            let view = view(columns, rows, now);
            let frame = running(&tracker, &view);
            prop_assert!(frame.len() < rows || frame.is_empty(), "{} lines on {rows} rows", frame.len());
            for line in frame.iter().chain(&ended(&tracker, &view, Outcome::Failed)) {
                let text = line.text();
                prop_assert!(width(&text) <= columns, "wider than {columns}: {text:?}");
                prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            }
        }
    }
}
