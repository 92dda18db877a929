//! `SOURCE_DATE_EPOCH`: one time for everything in a result (<https://reproducible-builds.org/specs/source-date-epoch/>).
//!
//! It is a build argument, given or taken from the environment, and every output gets it that doesn't have its own, as
//! BuildKit's clients do it.

use luakit_buildkit::Export;

use crate::failure::Failure;

/// The variable, and the argument.
pub(crate) const NAME: &str = "SOURCE_DATE_EPOCH";

/// Sets the time of outputs that don't say theirs.
pub(crate) fn apply(exports: &mut [Export], epoch: Option<&str>) -> Result<(), Failure> {
    let Some(epoch) = epoch else { return Ok(()) };
    if epoch.parse::<i64>().is_err() {
        return Err(Failure::usage(format!(
            "`{NAME}` must be a whole number of seconds, got `{epoch}`"
        )));
    }
    for export in exports {
        let own = export.attrs.entry("source-date-epoch".to_owned());
        own.or_insert_with(|| epoch.to_owned());
    }
    Ok(())
}
