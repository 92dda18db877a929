//! What updates add up to.

use std::time::{Duration, SystemTime};

use super::*;
use crate::progress::Group;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1000 + seconds)
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

fn note(tracker: &mut Tracker, vertices: impl IntoIterator<Item = Vertex>) -> Vec<usize> {
    tracker.note(&Update {
        vertices: vertices.into_iter().collect(),
        ..Update::default()
    })
}

fn phases(tracker: &Tracker) -> Vec<Phase> {
    tracker.steps().iter().map(Step::phase).collect()
}

#[test]
fn the_first_failure_is_the_cause() {
    let mut tracker = Tracker::default();
    for (digest, error) in [("a", "x: context canceled"), ("b", "exit code: 1"), ("c", "later")] {
        let error = error.into();
        note(
            &mut tracker,
            [Vertex {
                error,
                ..vertex(digest, None, None)
            }],
        );
    }
    assert_eq!(tracker.failed(), Some("b"));
    assert_eq!(phases(&tracker), [Phase::Canceled, Phase::Failed, Phase::Failed]);
}

#[test]
fn steps_go_through_their_phases() {
    let mut tracker = Tracker::default();
    note(&mut tracker, [vertex("a", None, None), vertex("b", None, None)]);
    assert_eq!(phases(&tracker), [Phase::Waiting, Phase::Waiting]);
    note(&mut tracker, [vertex("a", Some(0), None)]);
    let cached = Vertex {
        cached: true,
        ..vertex("b", Some(0), Some(0))
    };
    assert_eq!(note(&mut tracker, [cached]), [1]);
    // Announced again, as an engine does for a vertex that two results share.
    note(&mut tracker, [vertex("b", None, None)]);
    assert_eq!(phases(&tracker), [Phase::Running, Phase::Cached]);
    note(&mut tracker, [vertex("a", Some(0), Some(2))]);
    assert_eq!(phases(&tracker), [Phase::Done, Phase::Cached]);
    // Begun again.
    note(&mut tracker, [vertex("a", Some(5), None)]);
    assert_eq!(phases(&tracker), [Phase::Running, Phase::Cached]);
    let elapsed = tracker.steps().first().map(|step| step.spans().until(at(8)));
    assert_eq!(elapsed, Some(Duration::from_secs(5)));
}

#[test]
fn a_group_is_one_step() {
    let mut tracker = Tracker::default();
    let member = |digest: &str, weak, start, end| Vertex {
        group: Some(Group {
            id: "g".into(),
            name: "group".into(),
            weak,
        }),
        ..vertex(digest, start, end)
    };
    note(&mut tracker, [member("a", true, Some(0), Some(1))]);
    assert!(!tracker.steps().first().unwrap().visible());
    note(&mut tracker, [member("b", false, Some(1), None)]);
    let log = |digest: &str, data: &str| Log {
        vertex: digest.into(),
        stream: 1,
        data: data.to_owned().into(),
        timestamp: None,
    };
    let touched = tracker.note(&Update {
        logs: vec![log("a", "from a\n"), log("b", "from b\n"), log("unknown", "lost")],
        ..Update::default()
    });
    assert_eq!(touched, [0]);
    let step = tracker.steps().first().unwrap();
    assert_eq!(tracker.steps().len(), 1);
    assert_eq!(
        (step.name(), step.visible(), step.phase()),
        ("group", true, Phase::Running)
    );
    assert_eq!(step.digests().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(tracker.latest_output(step, 5), ["from b"]);
    assert_eq!(tracker.log("a"), ["from a"]);
    assert_eq!(tracker.name("a"), Some("step a"));
}
