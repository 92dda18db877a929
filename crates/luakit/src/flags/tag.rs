//! Image names, as `-t` and an output's `name=` have them.

use luakit_llb::{Platform, Reference};

use crate::failure::Failure;
use crate::printer::Printer;

/// The names, normalised.
pub(crate) fn parse_all(tags: &[String], printer: &Printer) -> Result<Vec<String>, Failure> {
    tags.iter().map(|tag| parse(tag, printer)).collect()
}

/// A name. `app:linux/amd64` can be no tag, but a loop over platforms easily asks for it: the slashes
/// become dashes, and we say so.
fn parse(tag: &str, printer: &Printer) -> Result<String, Failure> {
    let error = match normalised(tag) {
        Ok(name) => return Ok(name),
        Err(error) => error,
    };
    if let Some(name) = with_platform_tag(tag)
        && let Ok(normal) = normalised(&name)
    {
        printer.warning(
            "platform-tag",
            &format!("`{tag}` can't name an image: a tag has no slash; it is named `{name}`"),
        );
        return Ok(normal);
    }
    Err(error)
}

/// A name without a tag, for what is known by its digest.
pub(crate) fn repository(name: &str) -> Result<String, Failure> {
    let normal = normalised(name)?;
    match normal.rsplit_once(':') {
        Some((repository, "latest")) if !name.ends_with(":latest") => Ok(repository.to_owned()),
        _ => Err(Failure::usage(format!(
            "`{name}` has a tag, and `push-by-digest` pushes without one"
        ))),
    }
}

fn normalised(tag: &str) -> Result<String, Failure> {
    let wrong = |message: String| Failure::usage(format!("invalid image name `{tag}`: {message}"));
    let reference: Reference = tag
        .parse()
        .map_err(|e: luakit_llb::reference::ReferenceError| wrong(e.to_string()))?;
    match reference.digest() {
        Some(_) => Err(wrong("an image can't be named by its digest".to_owned())),
        None => Ok(reference.to_string()),
    }
}

/// `app:linux/arm64` as `app:linux-arm64`.
fn with_platform_tag(tag: &str) -> Option<String> {
    let (name, platform) = tag.rsplit_once(':')?;
    platform.contains('/').then_some(())?;
    platform.parse::<Platform>().ok()?;
    Some(format!("{name}:{}", platform.replace('/', "-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_as_a_tag_gets_dashes() {
        assert_eq!(
            with_platform_tag("app:linux/arm/v7").as_deref(),
            Some("app:linux-arm-v7")
        );
        assert_eq!(with_platform_tag("host:5000/app"), None);
        assert_eq!(with_platform_tag("app:latest"), None);
    }
}
