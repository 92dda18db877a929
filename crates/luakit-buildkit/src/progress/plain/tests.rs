//! Whole builds, as their lines.

use super::*;
use std::collections::HashSet;

use crate::progress::{Group, Log, Vertex, Warning};

fn at(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1000) + Duration::from_millis(milliseconds)
}

fn vertex(digest: &str, start: Option<u64>, end: Option<u64>) -> Vertex {
    Vertex {
        digest: digest.into(),
        name: format!("step {digest}"),
        started: start.map(at),
        completed: end.map(at),
        ..Vertex::default()
    }
}

fn vertices(vertices: impl IntoIterator<Item = Vertex>) -> Update {
    Update {
        vertices: vertices.into_iter().collect(),
        ..Update::default()
    }
}

fn log(digest: &str, time: u64, data: &str) -> Update {
    let log = Log {
        vertex: digest.into(),
        stream: 1,
        data: data.to_owned().into(),
        timestamp: Some(at(time)),
    };
    Update {
        logs: vec![log],
        ..Update::default()
    }
}

/// Feeds updates, each at its time in milliseconds, and gives all lines.
fn run(updates: impl IntoIterator<Item = (u64, Update)>) -> String {
    let mut progress = PlainProgress::new();
    let mut lines = Vec::new();
    for (now, update) in updates {
        lines.extend(progress.feed(&update, Duration::from_millis(now)));
    }
    lines.extend(progress.finish());
    lines.join("\n")
}

#[test]
fn one_build() {
    let cached = Vertex {
        cached: true,
        ..vertex("b", Some(0), Some(0))
    };
    let failed = Vertex {
        error: "exit code: 1".into(),
        ..vertex("d", Some(20), Some(12_500))
    };
    let text = run([
        (0, vertices([vertex("a", None, None), vertex("b", None, None)])),
        (1, vertices([vertex("a", Some(0), None)])),
        (5, vertices([cached])),
        (9, vertices([vertex("a", Some(0), Some(120))])),
        (20, vertices([vertex("d", Some(20), None)])),
        (30, log("d", 143, "one\ntw")),
        (31, log("d", 200, "o\n\nunfinished")),
        (12_000, log("d", 12_420, "\nthree\r\n")),
        (12_500, vertices([failed])),
    ]);
    insta::assert_snapshot!(text, @r"
    #1 step a
    #1 ...

    #2 step b
    #2 CACHED

    #1 step a
    #1 DONE 0.1s

    #3 step d
    #3 0.123 one
    #3 0.123 two
    #3 0.180 
    #3 0.180 unfinished
    #3 12.40 three
    #3 ERROR: exit code: 1
    ");
}

#[test]
fn the_floor_is_shared() {
    let text = run([
        (0, vertices([vertex("a", Some(0), None), vertex("b", Some(1), None)])),
        (10, log("a", 10, "a1\n")),
        (20, log("b", 20, "b1\n")),
        (4000, log("a", 4000, "a2\n")),
        (5100, log("a", 5100, "a3\n")),
        (5200, log("a", 5200, "a4\n")),
        (5300, vertices([vertex("b", Some(1), Some(5300))])),
        (
            5400,
            vertices([Vertex {
                error: "x: context canceled".into(),
                ..vertex("a", Some(0), Some(5400))
            }]),
        ),
    ]);
    insta::assert_snapshot!(text, @r"
    #1 step a
    #1 0.010 a1
    #1 4.000 a2
    #1 5.100 a3
    #1 ...

    #2 step b
    #2 0.019 b1
    #2 DONE 5.3s

    #1 step a
    #1 5.200 a4
    #1 CANCELED
    ");
}

#[test]
fn time_alone_gives_the_floor_away() {
    let update = || (7000, Update::default());
    let text = run([
        (0, vertices([vertex("a", Some(0), None), vertex("b", Some(1), None)])),
        (10, log("b", 20, "b1\n")),
        (4000, Update::default()),
        update(),
        update(),
    ]);
    insta::assert_snapshot!(text, @"
    #1 step a
    #1 ...

    #2 step b
    #2 0.019 b1
    ");
}

#[test]
fn a_name_is_one_line() {
    let name = "/bin/sh -c set -e\n\tmake\n".into();
    let text = run([(
        0,
        vertices([Vertex {
            name,
            ..vertex("a", Some(0), Some(0))
        }]),
    )]);
    insta::assert_snapshot!(text, @"
    #1 /bin/sh -c set -e make
    #1 DONE 0.0s
    ");
}

#[test]
fn a_line_without_end_is_not_held_forever() {
    let mut progress = PlainProgress::new();
    progress.feed(&vertices([vertex("a", Some(0), None)]), Duration::ZERO);
    let lines = progress.feed(&log("a", 1, &"x".repeat(LONGEST)), Duration::ZERO);
    assert_eq!(lines.len(), 1);
}

#[test]
fn statuses_and_warnings() {
    let status = |current, total, time, done: bool| Update {
        statuses: vec![Status {
            id: "transferring context:".into(),
            vertex: "a".into(),
            name: String::new(),
            current,
            total,
            timestamp: Some(at(time)),
            started: Some(at(0)),
            completed: done.then(|| at(time)),
        }],
        ..Update::default()
    };
    let warning = Update {
        warnings: vec![Warning {
            vertex: "a".into(),
            level: 1,
            short: "careful".into(),
            detail: Vec::new(),
            url: String::new(),
            source: None,
        }],
        ..Update::default()
    };
    let text = run([
        (0, vertices([vertex("a", Some(0), None)])),
        (1, status(0, 5_000_000, 1, false)),
        (2, status(10_000, 5_000_000, 200, false)),
        (3, status(1_048_576, 5_000_000, 300, false)),
        (4, warning),
        (5, status(5_000_000, 5_000_000, 400, true)),
        (6, status(5_000_000, 5_000_000, 400, true)),
        (7, vertices([vertex("a", Some(0), Some(500))])),
        (8, vertices([vertex("a", Some(0), Some(500))])),
    ]);
    insta::assert_snapshot!(text, @r"
    #1 step a
    #1 transferring context: 0B / 5.00MB
    #1 transferring context: 1.05MB / 5.00MB 0.3s
    #1 WARN: careful
    #1 transferring context: 5.00MB / 5.00MB 0.4s done
    #1 DONE 0.5s
    ");
}

#[test]
fn groups_are_one_step() {
    let member = |digest: &str, weak, start, end| Vertex {
        group: Some(Group {
            id: "g".into(),
            name: "group".into(),
            weak,
        }),
        ..vertex(digest, start, end)
    };
    let text = run([
        (0, vertices([member("a", true, Some(0), None)])),
        (1, vertices([member("a", true, Some(0), Some(100))])),
        (2, vertices([member("b", false, Some(50), None)])),
        (3, log("b", 60, "from b\n")),
        (4, vertices([member("b", false, Some(50), Some(200))])),
    ]);
    insta::assert_snapshot!(text, @r"
    #1 group
    #1 0.060 from b
    #1 DONE 0.2s
    ");
}

#[test]
fn sizes() {
    let sizes = [0, 999, 1000, 1_500, 999_999, 1_000_000, 41_000_000_000, -2_000];
    let texts: HashSet<_> = sizes.iter().map(|s| bytes(*s)).collect();
    assert_eq!(texts.len(), sizes.len());
    assert_eq!(bytes(1_500), "1.50kB");
    assert_eq!(bytes(41_000_000_000), "41.00GB");
}
