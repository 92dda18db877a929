//! What a build gives besides its files, and where it goes: the flags of `docker buildx build` for pushing and loading,
//! labels and annotations, attestations, caches, and the files that tell what was built.
//!
//! [`OutputArgs`] are `luakit build`'s flags, [`SolveArgs`] those of `luakit solve`, which are `buildctl build`'s. Both
//! are checked before an engine is asked; what only the engine's kind can tell, `engine::demands` looks at before the
//! build begins. [`loading`] carries an image into a Docker that isn't the engine; [`Results`] are the files.

mod args;
mod attests;
mod caches;
mod import;
mod load;
mod places;
mod results;
mod solve_args;

pub(crate) use args::OutputArgs;
pub(crate) use attests::Wanted;
pub(crate) use caches::CacheEntries;
pub(crate) use load::{Loading, Unloaded, loading};
pub(crate) use results::Results;
pub(crate) use solve_args::SolveArgs;
