//! Where what waits for the network, or for an engine, runs.

use std::time::Duration;

use tokio::runtime::Builder;

use crate::failure::Failure;

/// How long threads may take to put away what they were writing: whoever interrupts a build must not wait for a pipe that
/// nobody reads.
const TIDYING: Duration = Duration::from_secs(1);

/// Runs a few requests, on this thread.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    run(Builder::new_current_thread(), work)
}

/// Runs a build: it serves an engine's calls while others go on.
pub(crate) fn build<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    run(Builder::new_multi_thread(), work)
}

fn run<T>(mut builder: Builder, work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = builder.enable_all().build();
    let runtime = runtime.map_err(|e| Failure::internal(format!("can't start: {e}")))?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_timeout(TIDYING);
    Ok(outcome)
}
