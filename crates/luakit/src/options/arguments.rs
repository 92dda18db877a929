//! Build arguments that mean something to the client, whatever the script reads: those of docker buildx.

use std::collections::BTreeMap;

use luakit_frontend::values::parse_bool;

use crate::failure::Failure;

/// The host name that runs see.
pub(super) const HOSTNAME: &str = "BUILDKIT_SANDBOX_HOSTNAME";

/// Whether the image carries its cache, as with `--cache-to type=inline`.
pub(crate) const INLINE_CACHE: &str = "BUILDKIT_INLINE_CACHE";

/// Whether the result for one platform is an index, too.
pub(crate) const MULTI_PLATFORM: &str = "BUILDKIT_MULTI_PLATFORM";

/// What a switch among the arguments says, if it is given.
pub(crate) fn switch(args: &BTreeMap<String, String>, name: &str) -> Result<Option<bool>, Failure> {
    let Some(value) = args.get(name) else {
        return Ok(None);
    };
    let read = parse_bool(value).map(Some);
    read.ok_or_else(|| Failure::usage(format!("the build argument `{name}` must be `true` or `false`")))
}
