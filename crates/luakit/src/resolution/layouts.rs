//! Images of OCI layouts that the build offers: their configs are read from the layouts themselves.

use std::collections::BTreeMap;

use luakit_buildkit::ContentStore;
use luakit_buildkit::layout::{Layout, LayoutError};
use luakit_frontend::Plan;
use luakit_frontend::resolve::LayoutFailure;
use luakit_llb::{LayoutImage, Pins};

use crate::failure::{Failure, reason};

/// Notes the configs of all images that a plan takes from one of these stores, which are called `oci:NAME`.
pub(super) fn note(plan: &Plan, stores: &BTreeMap<String, ContentStore>, pins: &mut Pins) -> Result<(), Failure> {
    for (image, platform) in plan.reached().layouts {
        let store = stores.get(&format!("oci:{}", image.store));
        let (Some(store), Some(digest)) = (store, image.digest()) else {
            continue;
        };
        let config = Layout::new(&store.dir).config(&digest, &platform);
        let config = config.map_err(|error| unreadable(&image, &error))?;
        pins.insert_layout_config(image, platform, config);
    }
    Ok(())
}

fn unreadable(image: &LayoutImage, error: &LayoutError) -> Failure {
    let why = match error {
        LayoutError::Image {
            dir,
            source: LayoutFailure::Blob { digest, source },
        } => format!("can't read `{digest}` in `{}`: {}", dir.display(), reason(source)),
        other => other.to_string(),
    };
    Failure::usage(format!(
        "the image `{}` of the layout `{}`: {why}",
        image.reference, image.store
    ))
}
