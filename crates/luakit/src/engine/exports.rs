//! Where a result goes: `-o` and `-t` turned into exports.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use luakit_buildkit::{Archive, Export, ExportKind, FileOutput};
use luakit_llb::definition::ExportRecord;

use crate::failure::Failure;
use crate::flags::output::{Kind, Spec};
use crate::printer::Printer;

/// Exports that only lack what the definition's record says.
pub(crate) fn prepare(specs: &[Spec], names: &[String], printer: &Printer) -> Result<Vec<Export>, Failure> {
    let mut specs = specs.to_vec();
    if specs.is_empty() && !names.is_empty() {
        specs.push(Spec {
            kind: Kind::Image,
            dest: None,
            attrs: BTreeMap::new(),
        });
    }
    if specs.is_empty() {
        printer.warning(
            "no-output",
            "there is no output, so the result stays in the engine's cache: name one with `-o` or `-t`",
        );
    }
    if !names.is_empty() && !specs.iter().any(Spec::is_image) {
        return Err(Failure::usage("`-t` names an image, and no output is one")
            .hint("add `-o type=image`, `type=oci` or `type=docker`, or leave `-t` out"));
    }
    if !names.is_empty() && specs.iter().any(|spec| spec.attrs.contains_key("name")) {
        return Err(Failure::usage("`-t` and an output's `name=` both name the image").hint("leave one of them out"));
    }
    let to_stdout = specs.iter().filter(|spec| spec.is_stdout()).count();
    if to_stdout > 1 {
        return Err(Failure::usage("two outputs go to stdout"));
    }
    if to_stdout == 1 && std::io::stdout().is_terminal() {
        return Err(Failure::usage("an archive can't go to a terminal").hint("add `dest=FILE`, or pipe it on"));
    }
    Ok(specs.into_iter().map(|spec| export(spec, names)).collect())
}

fn export(spec: Spec, names: &[String]) -> Export {
    let file = || match spec.dest.as_deref() {
        None | Some("-") => FileOutput::Stream {
            name: "stdout".to_owned(),
            writer: Box::new(std::io::stdout()),
        },
        Some(path) => FileOutput::Path(PathBuf::from(path)),
    };
    let kind = match spec.kind {
        Kind::Local => ExportKind::Local(PathBuf::from(spec.dest.as_deref().unwrap_or("."))),
        Kind::Tar => ExportKind::Archive(Archive::Tar, file()),
        Kind::Oci => ExportKind::Archive(Archive::Oci, file()),
        Kind::Docker => ExportKind::Archive(Archive::Docker, file()),
        Kind::Image => ExportKind::Image,
    };
    let mut attrs = spec.attrs.clone();
    if spec.is_image() && !names.is_empty() {
        attrs.entry("name".to_owned()).or_insert_with(|| names.join(","));
    }
    Export { kind, attrs }
}

/// Adds what the definition's record says of the image: its annotations.
pub(crate) fn finish(mut exports: Vec<Export>, record: Option<&ExportRecord>) -> Vec<Export> {
    for export in &mut exports {
        let image = matches!(
            export.kind,
            ExportKind::Image | ExportKind::Archive(Archive::Oci | Archive::Docker, _)
        );
        for (key, value) in record.iter().flat_map(|record| &record.annotations).filter(|_| image) {
            export
                .attrs
                .entry(format!("annotation.{key}"))
                .or_insert_with(|| value.clone());
        }
    }
    exports
}
