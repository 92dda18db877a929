//! Source policies as JSON: which sources a build may use, and as what.
//!
//! The form is `sourcepolicy/pb/policy.proto` as BuildKit's own tools read and write it
//! (<https://github.com/moby/buildkit/blob/master/sourcepolicy/pb/json.go>): fields in snake case, enums by name or by
//! number. What those tools would pass over in silence is an error here: a policy that is half read is none.

use std::collections::BTreeMap;
use std::fmt;

pub use luakit_proto::sourcepolicy::Policy;
use luakit_proto::sourcepolicy::{AttrConstraint, AttrMatch, MatchType, PolicyAction, Rule, Selector, Update};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// The version of policies that there is.
const VERSION: i64 = 1;

/// Why a text is no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It isn't JSON, or JSON of something else.
    #[error("line {}, column {}: {}", .0.line(), .0.column(), said(.0))]
    Json(serde_json::Error),
    /// It is newer than what engines know.
    #[error("its version is {0}, and the only one is {VERSION}")]
    Version(i64),
    /// A rule that means nothing.
    #[error("rules[{index}] {reason}")]
    Rule {
        /// Which, from 0.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// What serde says, without the place that stands before it.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// Reads a policy. No version is the only one.
pub fn parse(json: &[u8]) -> Result<Policy, PolicyError> {
    let Object(policy): Object<PolicyJson> = serde_json::from_slice(json).map_err(PolicyError::Json)?;
    if policy.version != VERSION {
        return Err(PolicyError::Version(policy.version));
    }
    let rules = (0..)
        .zip(policy.rules)
        .map(|(index, Object(rule))| rule.into_message(index));
    Ok(Policy {
        version: policy.version,
        rules: rules.collect::<Result<_, _>>()?,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyJson {
    #[serde(default = "version")]
    version: i64,
    #[serde(default)]
    rules: Vec<Object<RuleJson>>,
}

fn version() -> i64 {
    VERSION
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleJson {
    #[serde(default)]
    action: Named<PolicyAction>,
    selector: Object<SelectorJson>,
    updates: Option<Object<UpdateJson>>,
}

impl RuleJson {
    fn into_message(self, index: usize) -> Result<Rule, PolicyError> {
        let wrong = |reason| Err(PolicyError::Rule { index, reason });
        let action = self.action.0;
        let (Object(selector), updates) = (self.selector, self.updates.map(|updates| updates.0));
        if selector.identifier.is_empty() {
            return wrong("has a selector without an `identifier`");
        }
        match (&updates, action) {
            (None, PolicyAction::Convert) => return wrong("converts, and has no `updates`"),
            (Some(updates), PolicyAction::Convert) if updates.identifier.is_empty() && updates.attrs.is_empty() => {
                return wrong("converts, and its `updates` say nothing");
            }
            (Some(_), PolicyAction::Allow | PolicyAction::Deny) => {
                return wrong("has `updates`, and doesn't convert");
            }
            _ => {}
        }
        let constraint = |Object(c): Object<ConstraintJson>| AttrConstraint {
            key: c.key,
            value: c.value,
            condition: c.condition.0.into(),
        };
        Ok(Rule {
            action: action.into(),
            selector: Some(Selector {
                identifier: selector.identifier,
                match_type: selector.match_type.0.into(),
                constraints: selector.constraints.into_iter().map(constraint).collect(),
            }),
            updates: updates.map(|updates| Update {
                identifier: updates.identifier,
                attrs: updates.attrs,
            }),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectorJson {
    #[serde(default)]
    identifier: String,
    #[serde(default)]
    match_type: Named<MatchType>,
    #[serde(default)]
    constraints: Vec<Object<ConstraintJson>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConstraintJson {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    condition: Named<AttrMatch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateJson {
    #[serde(default)]
    identifier: String,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

/// A JSON object. Plain derived types would take a list of their fields, too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(std::marker::PhantomData))
    }
}

struct ObjectVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Object)
    }
}

/// An enum, by its name or its number.
#[derive(Default)]
struct Named<T>(T);

/// An enum of the protocol.
trait Enumeration: Sized {
    const NAMES: &'static [&'static str];
    fn of_name(name: &str) -> Option<Self>;
    fn of_number(number: i32) -> Option<Self>;
}

macro_rules! enumeration {
    ($name:ty, $($value:literal),+) => {
        impl Enumeration for $name {
            const NAMES: &'static [&'static str] = &[$($value),+];
            fn of_name(name: &str) -> Option<Self> {
                Self::from_str_name(name)
            }
            fn of_number(number: i32) -> Option<Self> {
                Self::try_from(number).ok()
            }
        }
    };
}

enumeration!(PolicyAction, "ALLOW", "DENY", "CONVERT");
enumeration!(MatchType, "WILDCARD", "EXACT", "REGEX");
enumeration!(AttrMatch, "EQUAL", "NOTEQUAL", "MATCHES");

impl<'de, T: Enumeration> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EnumVisitor(std::marker::PhantomData))
    }
}

struct EnumVisitor<T>(std::marker::PhantomData<T>);

impl<T: Enumeration> Visitor<'_> for EnumVisitor<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", T::NAMES.join(", "))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Named<T>, E> {
        T::of_name(name)
            .map(Named)
            .ok_or_else(|| E::custom(format!("`{name}` must be one of {}", T::NAMES.join(", "))))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Named<T>, E> {
        let known = i32::try_from(number).ok().and_then(T::of_number);
        known
            .map(Named)
            .ok_or_else(|| E::custom(format!("`{number}` must be one of {}", T::NAMES.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let policy = parse(
            br#"{"version": 1, "rules": [
                {"action": "CONVERT",
                 "selector": {"identifier": "docker-image://a", "match_type": 1,
                              "constraints": [{"key": "k", "value": "v", "condition": "NOTEQUAL"}]},
                 "updates": {"identifier": "docker-image://b", "attrs": {"x": "y"}}},
                {"selector": {"identifier": "*"}}]}"#,
        )
        .unwrap();
        let [convert, allow] = policy.rules.as_slice() else {
            panic!("two rules")
        };
        assert_eq!(convert.action(), PolicyAction::Convert);
        let selector = convert.selector.as_ref().unwrap();
        assert_eq!(selector.match_type(), MatchType::Exact);
        assert_eq!(selector.constraints[0].condition(), AttrMatch::Notequal);
        assert_eq!(convert.updates.as_ref().unwrap().attrs["x"], "y");
        assert_eq!(allow.action(), PolicyAction::Allow);
        assert!(parse(b"{}").unwrap().rules.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let texts = [
            "",
            "[]",
            r#"{"rules": [["DENY", {"identifier": "a"}]]}"#,
            r#"{"version": 2}"#,
            r#"{"rule": []}"#,
            r#"{"rules": [{"action": "REFUSE", "selector": {"identifier": "a"}}]}"#,
            r#"{"rules": [{"action": "deny", "selector": {"identifier": "a"}}]}"#,
            r#"{"rules": [{"action": 7, "selector": {"identifier": "a"}}]}"#,
            r#"{"rules": [{"action": "DENY"}]}"#,
            r#"{"rules": [{"action": "DENY", "selector": {}}]}"#,
            r#"{"rules": [{"action": "CONVERT", "selector": {"identifier": "a"}}]}"#,
            r#"{"rules": [{"action": "CONVERT", "selector": {"identifier": "a"}, "updates": {}}]}"#,
            r#"{"rules": [{"action": "DENY", "selector": {"identifier": "a"}, "updates": {"identifier": "b"}}]}"#,
            r#"{"rules": [{"action": "DENY", "selector": {"identifier": "a", "matchType": "EXACT"}}]}"#,
        ];
        let said = texts.map(|text| parse(text.as_bytes()).unwrap_err().to_string());
        insta::assert_snapshot!(said.join("\n"), @"
        line 1, column 0: EOF while parsing a value
        line 1, column 0: invalid type: sequence, expected an object
        line 1, column 11: invalid type: sequence, expected an object
        its version is 2, and the only one is 1
        line 1, column 7: unknown field `rule`, expected `version` or `rules`
        line 1, column 30: `REFUSE` must be one of ALLOW, DENY, CONVERT
        line 1, column 28: `deny` must be one of ALLOW, DENY, CONVERT
        line 1, column 23: `7` must be one of ALLOW, DENY, CONVERT
        line 1, column 29: missing field `selector`
        rules[0] has a selector without an `identifier`
        rules[0] converts, and has no `updates`
        rules[0] converts, and its `updates` say nothing
        rules[0] has `updates`, and doesn't convert
        line 1, column 73: unknown field `matchType`, expected one of `identifier`, `match_type`, `constraints`
        ");
    }
}
