//! BuildKit's low-level build graph: states, vertices, and their exact bytes.
//!
//! A [`Graph`] is an arena of vertices. A [`State`] is a cheap handle on one output of one vertex, plus
//! what later runs inherit (environment, working directory, user, shell, platform). Everything that
//! depends on an image's config stays symbolic until [`marshal::marshal`], which takes the resolved
//! images and the target platform and writes a [`Definition`]. So a graph is built once and marshalled
//! for as many platforms as asked.
//!
//! The bytes of every op are those that BuildKit's own Go client (`client/llb`) writes. This crate
//! knows no Lua, no gRPC, no terminal and does no I/O.

pub mod definition;
mod foreign;
pub mod git_url;
pub mod graph;
pub mod image_config;
pub mod marshal;
pub mod op;
pub mod path;
pub mod percent;
pub mod pins;
pub mod platform;
pub mod reach;
pub mod reference;
pub mod state;
pub mod values;
mod vertex_set;
pub mod view;

pub use definition::Definition;
pub use graph::{Frame, Graph, Metadata, ProgressGroup, Resources, SourceText, StackId, VertexId};
pub use image_config::{CmdForm, ConfigOverlay, Healthcheck};
pub use pins::{LayoutImage, Pins, ResolvedImage};
pub use platform::Platform;
pub use reach::Reached;
pub use reference::{ImageDigest, Reference};
pub use state::{Output, State};
pub use vertex_set::VertexSet;
