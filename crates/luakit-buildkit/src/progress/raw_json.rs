//! Progress as BuildKit's status stream in JSON, one object a line, for programs that read what
//! `docker buildx build --progress=rawjson` writes.
//!
//! The keys, and which are left out when they hold nothing, are those of `SolveStatus` in
//! <https://github.com/moby/buildkit/blob/v0.13.2/client/graph.go> and of the messages that it holds. Times are RFC
//! 3339 in UTC with up to nine digits of a second, bytes are base64.

use std::time::SystemTime;

use base64::Engine as _;
use serde::{Serialize, Serializer};

use super::{Event, Group, Log, Status, Update, Vertex, Warning};
use crate::error::{Range, SourceExcerpt};

/// An event as a line of JSON, without line end.
pub fn line(event: &Event) -> String {
    let object = match event {
        Event::Update(update) => object(update),
        Event::SkippedDevice { local, path } => remark(format!(
            "`{path}` in the local directory `{local}` is a device, and was left out"
        )),
        Event::Unfollowed { message } => remark(unfollowed(message)),
    };
    // There is nothing in it that JSON can't hold.
    serde_json::to_string(&object).unwrap_or_default()
}

/// The stream has no word for what isn't the engine's but a warning that is no step's.
fn remark(short: String) -> Object<'static> {
    Object {
        warnings: vec![WarningObject {
            level: 1,
            short: Base64(short.into()),
            ..WarningObject::default()
        }],
        ..Object::default()
    }
}

/// What to say of a build that can't be followed any more.
pub fn unfollowed(message: &str) -> String {
    format!("the engine tells no more of the build, which goes on: {message}")
}

#[derive(Default, Serialize)]
struct Object<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vertexes: Vec<VertexObject<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<StatusObject<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logs: Vec<LogObject<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningObject<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VertexObject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    digest: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    inputs: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<Time>,
    #[serde(skip_serializing_if = "is_false")]
    cached: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress_group: Option<GroupObject<'a>>,
}

#[derive(Serialize)]
struct GroupObject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    weak: bool,
}

#[derive(Serialize)]
struct StatusObject<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    vertex: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    total: i64,
    current: i64,
    timestamp: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<Time>,
}

#[derive(Serialize)]
struct LogObject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    vertex: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    stream: i64,
    data: Base64,
    timestamp: Time,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct WarningObject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    vertex: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    level: i64,
    #[serde(skip_serializing_if = "Base64::is_empty")]
    short: Base64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    detail: Vec<Base64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<SourceObject<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    range: Vec<RangeObject>,
}

#[derive(Serialize)]
struct SourceObject<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    filename: &'a str,
    #[serde(skip_serializing_if = "Base64::is_empty")]
    data: Base64,
    #[serde(skip_serializing_if = "str::is_empty")]
    language: &'a str,
}

#[derive(Serialize)]
struct RangeObject {
    start: PositionObject,
    end: PositionObject,
}

#[derive(Serialize)]
struct PositionObject {
    #[serde(skip_serializing_if = "is_zero")]
    line: i32,
    #[serde(skip_serializing_if = "is_zero")]
    character: i32,
}

fn object(update: &Update) -> Object<'_> {
    Object {
        vertexes: update.vertices.iter().map(vertex).collect(),
        statuses: update.statuses.iter().map(status).collect(),
        logs: update.logs.iter().map(log).collect(),
        warnings: update.warnings.iter().map(warning).collect(),
    }
}

fn vertex(vertex: &Vertex) -> VertexObject<'_> {
    VertexObject {
        digest: &vertex.digest,
        inputs: &vertex.inputs,
        name: &vertex.name,
        started: vertex.started.map(Time),
        completed: vertex.completed.map(Time),
        cached: vertex.cached,
        error: &vertex.error,
        progress_group: vertex.group.as_ref().map(group),
    }
}

fn group(group: &Group) -> GroupObject<'_> {
    GroupObject {
        id: &group.id,
        name: &group.name,
        weak: group.weak,
    }
}

fn status(status: &Status) -> StatusObject<'_> {
    StatusObject {
        id: &status.id,
        vertex: &status.vertex,
        name: &status.name,
        total: status.total,
        current: status.current,
        timestamp: Time::or_epoch(status.timestamp),
        started: status.started.map(Time),
        completed: status.completed.map(Time),
    }
}

fn log(log: &Log) -> LogObject<'_> {
    LogObject {
        vertex: &log.vertex,
        stream: log.stream,
        data: Base64(log.data.to_vec()),
        timestamp: Time::or_epoch(log.timestamp),
    }
}

fn warning(warning: &Warning) -> WarningObject<'_> {
    let position = |(line, character)| PositionObject { line, character };
    let range = |range: &Range| RangeObject {
        start: position(range.start),
        end: position(range.end),
    };
    let bytes = |text: &String| Base64(text.clone().into_bytes());
    WarningObject {
        vertex: &warning.vertex,
        level: warning.level,
        short: bytes(&warning.short),
        detail: warning.detail.iter().map(bytes).collect(),
        url: &warning.url,
        source_info: warning.source.as_ref().map(source),
        range: warning.source.iter().flat_map(|s| &s.ranges).map(range).collect(),
    }
}

fn source(source: &SourceExcerpt) -> SourceObject<'_> {
    SourceObject {
        filename: &source.filename,
        data: Base64(source.text.clone()),
        language: &source.language,
    }
}

#[derive(Default)]
struct Base64(Vec<u8>);

impl Base64 {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

struct Time(SystemTime);

impl Time {
    /// A time that the stream always holds: where the engine gives none, Go's client says 1970.
    fn or_epoch(time: Option<SystemTime>) -> Self {
        Self(time.unwrap_or(SystemTime::UNIX_EPOCH))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

/// A time as Go's `RFC3339Nano` writes it in UTC: no zeros at the end of a second's fraction.
fn rfc3339(time: SystemTime) -> String {
    let nanos = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
    };
    let (seconds, nanos) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = format!(".{nanos:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// The date of a day, counted from 1970-01-01, in the Gregorian calendar.
fn civil(day: i128) -> (i128, i128, i128) {
    // Counted from 0000-03-01, so that a leap day is a year's last; 146,097 days are 400 years.
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i128::from(month <= 2), month, day)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times() {
        let cases = [
            (Duration::ZERO, "1970-01-01T00:00:00Z"),
            (Duration::new(951_782_400, 500_000_000), "2000-02-29T00:00:00.5Z"),
            (Duration::new(1_735_689_599, 1), "2024-12-31T23:59:59.000000001Z"),
        ];
        for (since, text) in cases {
            assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + since), text);
        }
        let before = SystemTime::UNIX_EPOCH - Duration::from_millis(1);
        assert_eq!(rfc3339(before), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn what_holds_nothing_is_left_out() {
        let update = Update {
            vertices: vec![Vertex {
                digest: "sha256:a".into(),
                ..Vertex::default()
            }],
            logs: vec![Log {
                vertex: "sha256:a".into(),
                stream: 2,
                data: "hi\n".into(),
                timestamp: None,
            }],
            ..Update::default()
        };
        insta::assert_snapshot!(line(&Event::Update(update)), @r#"{"vertexes":[{"digest":"sha256:a"}],"logs":[{"vertex":"sha256:a","stream":2,"data":"aGkK","timestamp":"1970-01-01T00:00:00Z"}]}"#);
        assert_eq!(line(&Event::Update(Update::default())), "{}");
    }

    #[test]
    fn all_that_can_be_said() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        let update = Update {
            vertices: vec![Vertex {
                digest: "sha256:b".into(),
                inputs: vec!["sha256:a".into()],
                name: "RUN a && b".into(),
                cached: true,
                started: Some(at),
                completed: Some(at),
                error: "exit code: 1".into(),
                group: Some(Group {
                    id: "g".into(),
                    name: "group".into(),
                    weak: true,
                }),
            }],
            statuses: vec![Status {
                id: "extracting".into(),
                vertex: "sha256:b".into(),
                name: "n".into(),
                current: 0,
                total: 5,
                timestamp: Some(at),
                started: Some(at),
                completed: Some(at),
            }],
            logs: Vec::new(),
            warnings: vec![Warning {
                vertex: "sha256:b".into(),
                level: 1,
                short: "careful".into(),
                detail: vec!["more".into()],
                url: "https://example.com".into(),
                source: Some(SourceExcerpt {
                    filename: "build.lua".into(),
                    language: "Lua".into(),
                    text: b"x = 1".to_vec(),
                    ranges: vec![Range {
                        start: (3, 0),
                        end: (4, 2),
                    }],
                }),
            }],
        };
        insta::assert_snapshot!(line(&Event::Update(update)), @r#"{"vertexes":[{"digest":"sha256:b","inputs":["sha256:a"],"name":"RUN a && b","started":"2023-11-14T22:13:20.25Z","completed":"2023-11-14T22:13:20.25Z","cached":true,"error":"exit code: 1","progressGroup":{"id":"g","name":"group","weak":true}}],"statuses":[{"id":"extracting","vertex":"sha256:b","name":"n","total":5,"current":0,"timestamp":"2023-11-14T22:13:20.25Z","started":"2023-11-14T22:13:20.25Z","completed":"2023-11-14T22:13:20.25Z"}],"warnings":[{"vertex":"sha256:b","level":1,"short":"Y2FyZWZ1bA==","detail":["bW9yZQ=="],"url":"https://example.com","sourceInfo":{"filename":"build.lua","data":"eCA9IDE=","language":"Lua"},"range":[{"start":{"line":3},"end":{"line":4,"character":2}}]}]}"#);
        let device = Event::SkippedDevice {
            local: "context".into(),
            path: "dev/null".into(),
        };
        insta::assert_snapshot!(line(&device), @r#"{"warnings":[{"level":1,"short":"YGRldi9udWxsYCBpbiB0aGUgbG9jYWwgZGlyZWN0b3J5IGBjb250ZXh0YCBpcyBhIGRldmljZSwgYW5kIHdhcyBsZWZ0IG91dA=="}]}"#);
    }
}
