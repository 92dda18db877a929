//! What may be asked of a script besides a build: which parameters it takes, which targets it has, what is odd about it.
//!
//! The requests are BuildKit's subrequests, and so are the shapes of the answers
//! (<https://github.com/moby/buildkit/tree/master/frontend/subrequests>): JSON for programs, and a text for people, as
//! docker buildx prints it. Answers come from an evaluated [`Plan`](crate::Plan); nothing is resolved or built for them.

mod describe;
mod lint;
mod outline;
mod sources;
mod table;
mod targets;

use std::collections::BTreeMap;

use luakit_diagnostic::nearest;
use serde::Serialize;

pub use describe::describe;
pub use lint::{Checked, lint};
pub use outline::outline;
pub use targets::targets;

use crate::targets::Selection;

/// The version of the answers' shapes.
const VERSION: &str = "1.0.0";

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// What may be asked.
    Describe,
    /// What the chosen target takes.
    Outline,
    /// Which targets there are.
    Targets,
    /// What is wrong or odd.
    Lint,
}

/// A request that there isn't.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("unsupported request `{name}`")]
pub struct UnknownRequest {
    /// What was asked for.
    pub name: String,
    nearest: Option<&'static str>,
}

impl UnknownRequest {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self.nearest {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", Request::ALL.map(Request::id).join(", ")),
        }
    }
}

impl Request {
    /// Every request there is.
    pub const ALL: [Self; 4] = [Self::Describe, Self::Outline, Self::Targets, Self::Lint];

    /// The name that clients send.
    pub fn id(self) -> &'static str {
        match self {
            Self::Describe => "frontend.subrequests.describe",
            Self::Outline => "frontend.outline",
            Self::Targets => "frontend.targets",
            Self::Lint => "frontend.lint",
        }
    }

    /// The exports that it is about, where a target may be chosen.
    pub fn selection(self, target: Option<&str>) -> Selection<'_> {
        match (self, target) {
            (Self::Outline | Self::Lint, Some(name)) => Selection::Named(name),
            (Self::Outline, None) => Selection::Default,
            (Self::Lint, None) | (Self::Targets | Self::Describe, _) => Selection::Every,
        }
    }

    /// The request of a name.
    pub fn parse(id: &str) -> Result<Self, UnknownRequest> {
        let known = Self::ALL.into_iter().find(|request| request.id() == id);
        known.ok_or_else(|| UnknownRequest {
            name: id.to_owned(),
            nearest: nearest(id, Self::ALL.map(Self::id)),
        })
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For programs.
    pub json: String,
    /// For people; its lines end in line ends.
    pub text: String,
    /// The version of the JSON's shape.
    pub version: &'static str,
    /// What a client's exit code should be, where the answer says it.
    pub status: Option<u8>,
}

impl Answer {
    fn new(value: &impl Serialize, text: String) -> Self {
        // All that is serialized is texts, numbers and lists of them, of which serde_json takes every one.
        let json = serde_json::to_string_pretty(value).unwrap_or_default();
        Self {
            json,
            text,
            version: VERSION,
            status: None,
        }
    }

    /// The metadata of the result that a frontend answers with.
    pub fn metadata(&self) -> BTreeMap<&'static str, Vec<u8>> {
        let mut metadata = BTreeMap::from([
            ("result.json", self.json.clone().into_bytes()),
            ("result.txt", self.text.clone().into_bytes()),
            ("version", self.version.as_bytes().to_vec()),
        ]);
        if let Some(status) = self.status {
            metadata.insert("result.statuscode", status.to_string().into_bytes());
        }
        metadata
    }
}
