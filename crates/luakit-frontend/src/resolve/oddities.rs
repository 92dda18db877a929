//! What is odd about images though they are resolved: what their configs say and a build makes nothing of.

use luakit_diagnostic::Diagnostic;
use luakit_llb::image_config::platform_of;
use luakit_llb::{LayoutImage, Pins, Platform, Reference};
use serde_json::Value;

/// How many of an image's triggers are shown.
const MOST_TRIGGERS: usize = 5;

/// What an oddity is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddImage<'a> {
    /// A registry's image.
    Image(&'a Reference),
    /// An image of a layout.
    Layout(&'a LayoutImage),
}

impl OddImage<'_> {
    /// What messages call it.
    fn shown(self) -> String {
        match self {
            Self::Image(reference) => reference.familiar(),
            Self::Layout(layout) => layout.called(),
        }
    }
}

/// A warning for each thing, and which image it is about.
pub fn oddities(pins: &Pins) -> Vec<(OddImage<'_>, Diagnostic)> {
    let images = pins.images();
    let images = images.map(|(reference, platform, image)| (OddImage::Image(reference), platform, &*image.config));
    let layouts = pins.layout_configs();
    let layouts = layouts.map(|(layout, platform, config)| (OddImage::Layout(layout), platform, config));
    let mut odd = Vec::new();
    let mut triggering = None;
    for (image, platform, config) in images.chain(layouts) {
        odd.extend(of_another_platform(image, platform, config).map(|warning| (image, warning)));
        if triggering != Some(image)
            && let Some(warning) = triggers(image, config)
        {
            triggering = Some(image);
            odd.push((image, warning));
        }
    }
    odd
}

/// An image whose config is for another operating system or architecture than it was asked for. An image without an
/// index is taken all the same, by us as by BuildKit; where that was no wish, runs fail in ways that are hard to read.
fn of_another_platform(image: OddImage<'_>, platform: &Platform, config: &[u8]) -> Option<Diagnostic> {
    let is_for = platform_of(config)?;
    let message = || {
        format!(
            "image `{}` is for {is_for}, and was asked for {platform}",
            image.shown()
        )
    };
    (!is_for.is_same_machine(platform)).then(|| Diagnostic::warning("image-platform", message()))
}

/// An image that has the Dockerfiles built on it do something first. A script says itself what it does, and no image
/// hands such instructions on (`dockerfile2llb/convert.go`).
fn triggers(image: OddImage<'_>, config: &[u8]) -> Option<Diagnostic> {
    let config: Value = serde_json::from_slice(config).ok()?;
    let instructions = config.pointer("/config/OnBuild")?.as_array()?;
    let instructions: Vec<&str> = instructions.iter().filter_map(Value::as_str).collect();
    if instructions.is_empty() {
        return None;
    }
    let message = format!(
        "image `{}` has ONBUILD instructions, which a Dockerfile would carry out here: a script doesn't",
        image.shown()
    );
    let mut warning = Diagnostic::warning("onbuild", message)
        .with_hint("write as steps what is needed of them, as `state:run(…)` and `state:copy(…)`");
    for instruction in instructions.iter().take(MOST_TRIGGERS) {
        warning = warning.with_note(format!("ONBUILD {instruction}"));
    }
    if let Some(rest) = instructions.len().checked_sub(MOST_TRIGGERS).filter(|rest| *rest > 0) {
        warning = warning.with_note(format!("and {rest} more"));
    }
    Some(warning)
}
