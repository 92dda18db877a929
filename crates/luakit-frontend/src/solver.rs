//! The seam between what is built and who builds it.
//!
//! A [`Solver`] resolves images and turns definitions into references to results; whether it speaks to a daemon or
//! runs inside one, this crate doesn't know. [`build`] is the frontend itself: it takes an evaluated [`Plan`] through
//! resolving and marshalling to solved outputs. How these are exported is the business of whoever owns the solver.

use std::future::Future;

use luakit_diagnostic::Diagnostic;
use luakit_llb::{Definition, Pins};

use crate::lock;
use crate::plan::{MarshalSettings, Output, Plan};
use crate::resolve::{ImageResolver, Network, ResolveErrors, complete};
use crate::step_names::tell_platforms;

/// Who builds: an engine, asked over whatever connection.
pub trait Solver: ImageResolver {
    /// A result that lies with the engine.
    type Ref: Send;
    /// Why there is none.
    type Error: Send;

    /// Takes definitions to be built, and refers to their results in the same order. All of them are checked against
    /// what the engine can do before the first is taken. A result need not be computed before something reads it.
    fn solve(&self, definitions: Vec<Definition>) -> impl Future<Output = Result<Vec<Self::Ref>, Self::Error>> + Send;
}

/// What image references mean to a build.
#[derive(Debug, Clone)]
pub enum References {
    /// Nothing but themselves: they stay as written, and no config is known.
    AsWritten,
    /// What these pins say, taken from a lock file; others are looked up.
    Resolved(Pins),
}

/// What a frontend brings back.
#[derive(Debug, Clone)]
pub struct Built<R> {
    /// Each output with its result.
    pub outputs: Vec<(Output, R)>,
    /// What is odd about the images that were resolved.
    pub warnings: Vec<Diagnostic>,
}

/// Why there are no results.
#[derive(Debug)]
pub enum Failure<E> {
    /// Images can't be resolved.
    Resolve(ResolveErrors),
    /// The engine doesn't take a definition.
    Solve(E),
}

/// Resolves what `plan` reaches, marshals its outputs, shows them to `marshalled`, and has them solved.
pub async fn build<S: Solver>(
    solver: &S,
    plan: &Plan,
    references: &References,
    settings: &MarshalSettings,
    marshalled: impl FnOnce(&[Output]),
) -> Result<Built<S::Ref>, Failure<S::Error>> {
    let pins = match references {
        References::AsWritten => Pins::new(),
        References::Resolved(locked) => {
            let reached = plan.reached();
            let known = lock::select(&reached, locked);
            let parallel = Network::default().parallel;
            let pins = complete(known, locked, &reached, solver, parallel).await;
            pins.map_err(Failure::Resolve)?
        }
    };
    let mut outputs = plan.outputs(&pins, settings);
    tell_platforms(&mut outputs);
    marshalled(&outputs);
    let mut warnings = plan.image_warnings(&pins);
    warnings.extend(outputs.iter().filter_map(Output::unknown_base_warning));
    let definitions = outputs.iter().map(|output| output.definition.clone()).collect();
    let refs = solver.solve(definitions).await.map_err(Failure::Solve)?;
    Ok(Built {
        outputs: outputs.into_iter().zip(refs).collect(),
        warnings,
    })
}
