//! What an engine tells a frontend of its workers: `BUILDKIT_WORKERS`.
//!
//! It is Go's JSON, in which the case of names has changed between versions
//! (<https://github.com/moby/buildkit/blob/master/client/workers.go>).

use luakit_llb::Platform;
use serde_json::Value;

/// The engine's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its own platform.
    pub platform: Platform,
    /// BuildKit's version, as far as it says.
    pub version: Option<String>,
}

/// Why workers tell nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't read the variable `BUILDKIT_WORKERS`, in which BuildKit tells what its workers are: {0}")]
pub struct UnreadableWorkers(String);

impl Machine {
    /// Reads it from the first worker, which is the default one. `None` when there are no workers, or that one says no
    /// platform.
    pub fn read(workers: &str) -> Result<Option<Self>, UnreadableWorkers> {
        let wrong = |why: &str| UnreadableWorkers(why.to_owned());
        if workers.is_empty() {
            return Ok(None);
        }
        let workers: Value = serde_json::from_str(workers).map_err(|e| UnreadableWorkers(e.to_string()))?;
        let worker = match &workers {
            // Go's empty list.
            Value::Null => return Ok(None),
            Value::Array(workers) => workers.first(),
            _ => return Err(wrong("it is no list")),
        };
        let Some(worker) = worker else { return Ok(None) };
        if !worker.is_object() {
            return Err(wrong("a worker is no object"));
        }
        let platform = match member(worker, "platforms") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(platforms)) => platforms.first(),
            Some(_) => return Err(wrong("a worker's platforms are no list")),
        };
        let Some(platform) = platform else { return Ok(None) };
        let text = |name: &str| member(platform, name).and_then(Value::as_str).unwrap_or_default();
        let version = member(worker, "buildkitVersion").and_then(|version| member(version, "version"));
        let platform = Platform::new(text("os"), text("architecture"), text("variant"));
        Ok(Some(Self {
            platform: platform.map_err(|e| UnreadableWorkers(format!("a worker's platform: {e}")))?,
            version: version
                .and_then(Value::as_str)
                .filter(|v| !v.is_empty())
                .map(str::to_owned),
        }))
    }
}

fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    let mut members = object.as_object()?.iter();
    members
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case() {
        let new = r#"[{"id":"x","platforms":[{"architecture":"amd64","os":"linux"},{"architecture":"386","os":"linux"}],"buildkitVersion":{"version":"v0.20.0"}}]"#;
        let old = r#"[{"ID":"x","Platforms":[{"architecture":"arm","os":"linux","variant":"v7"}]}]"#;
        let told = |json| Machine::read(json).map(|m| m.map(|m| format!("{} {:?}", m.platform, m.version)));
        assert_eq!(told(new).unwrap().unwrap(), "linux/amd64 Some(\"v0.20.0\")");
        assert_eq!(told(old).unwrap().unwrap(), "linux/arm/v7 None");
        for nothing in [
            "",
            "[]",
            "null",
            "[{}]",
            r#"[{"platforms":[]}]"#,
            r#"[{"platforms":null}]"#,
        ] {
            assert_eq!(Machine::read(nothing), Ok(None), "{nothing}");
        }
    }
    #[test]
    fn what_can_t_be_read_is_told() {
        let wrong = [
            "[",
            "{}",
            "[1]",
            r#"[{"platforms":{}}]"#,
            r#"[{"platforms":[{}]}]"#,
            r#"[{"platforms":[{"os":"linux"}]}]"#,
        ];
        let told = wrong.map(|workers| Machine::read(workers).unwrap_err().0);
        insta::assert_snapshot!(told.join("\n"), @"
        EOF while parsing a list at line 1 column 1
        it is no list
        a worker is no object
        a worker's platforms are no list
        a worker's platform: `` can't be part of a platform
        a worker's platform: `` can't be part of a platform
        ");
        let whole = Machine::read("[").unwrap_err().to_string();
        assert!(
            whole.starts_with("can't read the variable `BUILDKIT_WORKERS`"),
            "{whole}"
        );
    }
}
