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

impl Machine {
    /// Reads it from the first worker, which is the default one.
    pub fn read(workers: &str) -> Option<Self> {
        let workers: Value = serde_json::from_str(workers).ok()?;
        let worker = workers.as_array()?.first()?;
        let platform = member(worker, "platforms")?.as_array()?.first()?;
        let text = |name: &str| member(platform, name).and_then(Value::as_str).unwrap_or_default();
        let version = member(worker, "buildkitVersion").and_then(|version| member(version, "version"));
        Some(Self {
            platform: Platform::new(text("os"), text("architecture"), text("variant")).ok()?,
            version: version
                .and_then(Value::as_str)
                .filter(|v| !v.is_empty())
                .map(str::to_owned),
        })
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
        let told = |json| Machine::read(json).map(|m| format!("{} {:?}", m.platform, m.version));
        assert_eq!(told(new).unwrap(), "linux/amd64 Some(\"v0.20.0\")");
        assert_eq!(told(old).unwrap(), "linux/arm/v7 None");
        for nothing in ["", "[]", "{}", "null", r#"[{"platforms":[]}]"#] {
            assert_eq!(Machine::read(nothing), None);
        }
    }
}
