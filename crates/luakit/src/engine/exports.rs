//! Where a result goes: `-o` and `-t` turned into exports.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use luakit_buildkit::{Archive, Export, ExportKind, FileOutput};
use luakit_llb::Platform;

use crate::failure::Failure;
use crate::flags::output::{Kind, Spec};
use crate::flags::tag;
use crate::printer::Printer;

/// Exports that only lack what the definition's record says.
pub(crate) fn prepare(specs: &[Spec], tags: &[String], printer: &Printer) -> Result<Vec<Export>, Failure> {
    let cache_only = |spec: &&Spec| spec.kind == Kind::CacheOnly;
    if specs.iter().any(|spec| cache_only(&spec)) && specs.len() > 1 {
        return Err(Failure::usage(
            "`type=cacheonly` is for a build without outputs, and there are others",
        ));
    }
    let mut specs = specs.to_vec();
    if specs.is_empty() && !tags.is_empty() {
        specs.push(Spec::image());
    }
    if !tags.is_empty() && !specs.iter().any(|spec| spec.kind.is_image()) {
        return Err(Failure::usage("`-t` names an image, and no output is one")
            .hint("add `-o type=image`, `type=oci` or `type=docker`, or leave `-t` out"));
    }
    for spec in specs.iter_mut().filter(|spec| spec.kind.is_image()) {
        name(spec, tags, printer)?;
    }
    let to_stdout = specs.iter().filter(|spec| spec.is_stdout()).count();
    if to_stdout > 1 {
        return Err(Failure::usage("two outputs go to stdout"));
    }
    if to_stdout == 1 && std::io::stdout().is_terminal() {
        return Err(Failure::usage("an archive can't go to a terminal").hint("add `dest=FILE`, or pipe it on"));
    }
    specs.retain(|spec| !cache_only(&spec));
    Ok(specs.into_iter().map(export).collect())
}

/// Gives an image its names, normalised. Those of `-t` count rather than the output's own, as with `docker buildx`.
fn name(spec: &mut Spec, tags: &[String], printer: &Printer) -> Result<(), Failure> {
    let own = spec.attrs.remove("name").filter(|names| !names.is_empty());
    let own: Vec<String> = own
        .iter()
        .flat_map(|names| names.split(','))
        .map(str::to_owned)
        .collect();
    if !tags.is_empty() && !own.is_empty() {
        printer.warning(
            "name-replaced",
            &format!(
                "`-t` names the image, and `name={}` of the output is not used",
                own.join(",")
            ),
        );
    }
    let names = if tags.is_empty() { own } else { tags.to_vec() };
    if names.is_empty() {
        if spec.is_on("push") || spec.is_on("push-by-digest") {
            return Err(Failure::usage("an image that is pushed needs a name").hint("add `name=NAME`, or `-t NAME`"));
        }
        return Ok(());
    }
    let names = if spec.is_on("push-by-digest") {
        names
            .iter()
            .map(|name| tag::repository(name))
            .collect::<Result<_, _>>()?
    } else {
        tag::parse_all(&names, printer)?
    };
    spec.attrs.insert("name".to_owned(), names.join(","));
    Ok(())
}

/// Says of a build that is about to start which of its results will be hard to find.
pub(crate) fn warn(specs: &[Spec], exports: &[Export], printer: &Printer) {
    if exports.is_empty() && specs.is_empty() {
        printer.warning(
            "no-output",
            "there is no output, so the result stays in the engine's cache: name one with `-o` or `-t`",
        );
    }
    let unnamed = |export: &Export| {
        let named = ["name", "dangling-name-prefix"]
            .iter()
            .any(|key| export.attrs.contains_key(*key));
        is_stored(export) && !named
    };
    if exports.iter().any(unnamed) {
        printer.warning(
            "unnamed-image",
            "the image gets no name, and only its digest finds it: add `name=NAME`, or `-t NAME`",
        );
    }
}

fn export(spec: Spec) -> Export {
    let file = || match spec.dest.as_deref() {
        None | Some("" | "-") => FileOutput::Stream {
            name: "stdout".to_owned(),
            writer: Box::new(std::io::stdout()),
        },
        Some(dir) if spec.layout => FileOutput::Layout(PathBuf::from(dir)),
        Some(path) => FileOutput::Path(PathBuf::from(path)),
    };
    let kind = match spec.kind {
        Kind::Local => ExportKind::Local(PathBuf::from(spec.dest.as_deref().unwrap_or("."))),
        Kind::Tar => ExportKind::Archive(Archive::Tar, file()),
        Kind::Oci => ExportKind::Archive(Archive::Oci, file()),
        // Until the engine is known it is Docker's own.
        Kind::Docker if spec.load => ExportKind::Image,
        Kind::Docker => ExportKind::Archive(Archive::Docker, file()),
        Kind::Image | Kind::CacheOnly => ExportKind::Image,
    };
    Export {
        kind,
        attrs: spec.attrs,
    }
}

/// Makes one export of those that write one name into the engine's store: side by side they would get in each other's
/// way there. What one of them is told counts for the image, and an engine unpacks it unless all say that it needn't.
pub(crate) fn merge(exports: &mut Vec<Export>) -> Result<(), Failure> {
    let mut merged: Vec<Export> = Vec::with_capacity(exports.len());
    for mut export in std::mem::take(exports) {
        let Some(first) = merged.iter_mut().find(|first| have_one_name(first, &export)) else {
            merged.push(export);
            continue;
        };
        let unpack = first.attrs.remove("unpack").zip(export.attrs.remove("unpack"));
        if let Some((_, unpack)) = unpack.filter(|(one, other)| one == other) {
            first.attrs.insert("unpack".to_owned(), unpack);
        }
        export.attrs.remove("name");
        for (key, value) in export.attrs {
            if let Some(other) = first.attrs.get(&key).filter(|other| **other != value) {
                let name = first.attrs.get("name").map(String::as_str).unwrap_or_default();
                return Err(Failure::usage(format!(
                    "two outputs make the image `{name}`, one with `{key}={other}` and one with `{key}={value}`"
                ))
                .hint("give both the same, or each a name of its own"));
            }
            first.attrs.insert(key, value);
        }
    }
    *exports = merged;
    Ok(())
}

/// Whether both are images of the engine's store of the same names.
fn have_one_name(one: &Export, other: &Export) -> bool {
    let names = |export: &Export| {
        export
            .attrs
            .get("name")
            .map(|names| names.split(',').map(str::to_owned).collect())
    };
    let both: [Option<BTreeSet<String>>; 2] = [names(one), names(other)];
    is_stored(one) && is_stored(other) && matches!(both, [Some(one), Some(other)] if one == other)
}

/// Whether it makes an image.
pub(crate) fn is_image(export: &Export) -> bool {
    matches!(
        export.kind,
        ExportKind::Image | ExportKind::Archive(Archive::Oci | Archive::Docker, _)
    )
}

/// Whether it is an image of the engine's store, where it may stay or be pushed from.
pub(crate) fn is_stored(export: &Export) -> bool {
    matches!(export.kind, ExportKind::Image)
}

/// Whether it is an image that goes to its registry.
pub(crate) fn is_pushed(export: &Export) -> bool {
    is_stored(export) && is_on(export, "push")
}

/// Whether an attribute is there and true.
pub(crate) fn is_on(export: &Export, key: &str) -> bool {
    export.attrs.get(key).is_some_and(|value| value == "true")
}

/// Adds what the script says of the image: annotations, by the platform that they are for. None is any. What an output
/// or a flag says of an annotation counts rather than the script.
pub(crate) fn annotate<'a>(
    mut exports: Vec<Export>,
    annotations: impl Iterator<Item = (Option<&'a Platform>, &'a str, &'a str)>,
) -> Vec<Export> {
    let annotations: Vec<_> = annotations.collect();
    for export in exports.iter_mut().filter(|export| is_image(export)) {
        let mut added = Vec::new();
        for (platform, key, value) in &annotations {
            let platform = platform.map(|platform| format!("[{platform}]")).unwrap_or_default();
            // All name the manifest's annotation, and the engine would take any.
            let names = [
                format!("annotation{platform}.{key}"),
                format!("annotation-manifest{platform}.{key}"),
                format!("annotation.{key}"),
                format!("annotation-manifest.{key}"),
            ];
            if !names.iter().any(|name| export.attrs.contains_key(name)) {
                let [name, ..] = names;
                added.push((name, (*value).to_owned()));
            }
        }
        export.attrs.extend(added);
    }
    exports
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(attrs: &[(&str, &str)]) -> Export {
        Export {
            kind: ExportKind::Image,
            attrs: attrs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    fn merged(exports: Vec<Export>) -> String {
        let mut exports = exports;
        match merge(&mut exports) {
            Ok(()) => exports
                .iter()
                .map(|export| format!("{:?}", export.attrs))
                .collect::<Vec<_>>()
                .join(" + "),
            Err(failure) => failure.diagnostics()[0].message.clone(),
        }
    }

    #[test]
    fn one_image_is_exported_once() {
        let pushed = [("name", "a,b"), ("push", "true"), ("unpack", "false")];
        let zstd = [("name", "b,a"), ("compression", "zstd")];
        let lines = [
            merged(vec![image(&pushed), image(&[("name", "b,a")])]),
            merged(vec![image(&pushed), image(&pushed), image(&[("name", "a")])]),
            merged(vec![image(&[]), image(&[])]),
            merged(vec![image(&[("name", "a,b"), ("compression", "gzip")]), image(&zstd)]),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        {"name": "a,b", "push": "true"}
        {"name": "a,b", "push": "true", "unpack": "false"} + {"name": "a"}
        {} + {}
        two outputs make the image `a,b`, one with `compression=gzip` and one with `compression=zstd`
        "#);
    }
}
