//! What `luakit build` sends along with a definition, and `luakit solve` reads.

use luakit_frontend::Output;
use luakit_llb::definition::{AppliedImage, ExportRecord};

/// The record of an output.
pub(crate) fn of(output: &Output) -> ExportRecord {
    let images = output.images.iter().map(|(reference, platform)| AppliedImage {
        reference: reference.to_string(),
        platform: platform.clone(),
    });
    ExportRecord {
        name: output.name.clone(),
        config: String::from_utf8_lossy(&output.config).into_owned(),
        annotations: output.annotations.clone(),
        images: images.collect(),
        depends_on_target: output.depends_on_target,
        fixed_platform: output.fixed_platform,
        ..ExportRecord::new(&output.definition, output.platform.clone())
    }
}
