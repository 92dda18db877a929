//! Between a script and an engine: what is built, for which platforms, and what its references mean.
//!
//! A script's exports become planned outputs (`targets`), the images that they reach are resolved (`resolve`) or
//! taken from the lock file (`lock`), and definitions are marshalled (`plan`) and solved (`solver`). Ignore files
//! (`ignore`, `patterns`) say what of a context is left out. `options` are what a frontend is asked for, and `subrequest` what may
//! be asked besides a build; where an engine runs the frontend (`host`), script and context are read through it
//! (`remote`). `credentials` and `token` are how registries let us in. What this crate reads of the machine comes in as
//! parameters: it knows no environment, no terminal, and not which engine builds.

pub mod context_value;
pub mod credentials;
mod document;
pub mod fetch;
pub mod git_context;
pub mod host;
pub mod ignore;
pub mod lock;
pub mod options;
pub mod patterns;
pub mod plan;
mod printed;
mod public_url;
pub mod remote;
pub mod resolve;
pub mod solver;
mod step_names;
pub mod subrequest;
pub mod targets;
pub mod tls;
pub mod token;
pub mod values;

pub use document::{DocumentError, Problem, ProblemKind};
pub use host::Host;
pub use plan::{Output, Plan, PlanError, Request};
pub use solver::{References, Solver};
pub use targets::{Selection, TargetError};
