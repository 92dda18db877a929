//! `SOURCE_DATE_EPOCH`: one time for everything in a result (<https://reproducible-builds.org/specs/source-date-epoch/>).

use super::OptionError;
use super::given::Given;

pub(super) const OPTION: &str = "build-arg:SOURCE_DATE_EPOCH";

/// The time in seconds. BuildKit's newest Dockerfile frontend also takes a context's name for it; we don't.
pub(super) fn seconds(given: Given<'_>) -> Result<Option<i64>, OptionError> {
    let read = given.read(OPTION, |value| {
        value.parse::<i64>().map_err(|_| "it must be a whole number of seconds")
    });
    read.map_err(|error| error.with_hint("for a commit's time: `$(git log -1 --format=%ct)`"))
}
