//! Where a result goes: `-o` and `-t` turned into exports.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::str::FromStr;

use luakit_buildkit::{Archive, Export, ExportKind, FileOutput};
use luakit_diagnostic::nearest;
use luakit_llb::definition::ExportRecord;

use crate::failure::Failure;
use crate::printer::Printer;

/// One `-o`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    kind: Kind,
    dest: Option<String>,
    attrs: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Local,
    Tar,
    Oci,
    Docker,
    Image,
}

const KINDS: &[(&str, Kind)] = &[
    ("local", Kind::Local),
    ("tar", Kind::Tar),
    ("oci", Kind::Oci),
    ("docker", Kind::Docker),
    ("image", Kind::Image),
];

/// The attributes of BuildKit's image exporters that a user may set
/// (<https://github.com/moby/buildkit#imageregistry>); `annotation…` are more.
const IMAGE_ATTRS: &[&str] = &[
    "name",
    "compression",
    "compression-level",
    "force-compression",
    "oci-mediatypes",
    "rewrite-timestamp",
    "name-canonical",
    "dangling-name-prefix",
    "unpack",
    "store",
    "push",
    "push-by-digest",
    "registry.insecure",
    "tar",
];

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut kind = None;
        let mut dest = None;
        let mut attrs = BTreeMap::new();
        for field in text.split(',') {
            let (key, value) = field
                .split_once('=')
                .ok_or_else(|| format!("`{field}` must be KEY=VALUE"))?;
            let again = match key {
                "type" => kind.replace(parse_kind(value)?).is_some(),
                "dest" | "output" => dest.replace(value.to_owned()).is_some(),
                key => attrs.insert(key.to_owned(), value.to_owned()).is_some(),
            };
            if again {
                return Err(format!("`{key}` is there twice"));
            }
        }
        let kind = kind.ok_or("it has no `type`")?;
        let spec = Self { kind, dest, attrs };
        spec.check()?;
        Ok(spec)
    }
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    let found = KINDS.iter().find(|(name, _)| *name == text);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        format!("unknown type `{text}`: it must be one of {}", names.join(", "))
    })
}

impl Spec {
    fn check(&self) -> Result<(), String> {
        match (self.kind, self.dest.as_deref()) {
            (Kind::Local, None | Some("" | "-")) => return Err("`type=local` needs a directory: `dest=DIR`".to_owned()),
            (Kind::Image, Some(_)) => return Err("`type=image` stays in the engine, and has no `dest`".to_owned()),
            _ => {}
        }
        let known: &[&str] = if self.is_image() { IMAGE_ATTRS } else { &[] };
        for key in self.attrs.keys() {
            let is_annotation = self.is_image() && key.starts_with("annotation");
            if !is_annotation && !known.contains(&key.as_str()) {
                let hint = nearest(key, known.iter().copied());
                let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(format!("unknown key `{key}`{hint}"));
            }
        }
        if self.attrs.get("tar").is_some_and(|tar| tar != "true") {
            return Err("`tar=false`, a layout in a directory, is not offered: leave it out for an archive".to_owned());
        }
        Ok(())
    }

    /// Whether the result is an image, with a config and a name.
    fn is_image(&self) -> bool {
        matches!(self.kind, Kind::Oci | Kind::Docker | Kind::Image)
    }
}

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
    let to_stdout = specs.iter().filter(|spec| is_stdout(spec)).count();
    if to_stdout > 1 {
        return Err(Failure::usage("two outputs go to stdout"));
    }
    if to_stdout == 1 && std::io::stdout().is_terminal() {
        return Err(Failure::usage("an archive can't go to a terminal").hint("add `dest=FILE`, or pipe it on"));
    }
    Ok(specs.into_iter().map(|spec| export(spec, names)).collect())
}

fn is_stdout(spec: &Spec) -> bool {
    matches!(spec.kind, Kind::Tar | Kind::Oci | Kind::Docker) && spec.dest.as_deref().is_none_or(|dest| dest == "-")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        text.parse::<Spec>().map_or_else(
            |e| e,
            |spec| format!("{:?} {:?} {:?}", spec.kind, spec.dest, spec.attrs),
        )
    }

    #[test]
    fn specs_are_buildctls() {
        let specs = [
            "type=local,dest=out",
            "type=oci,dest=app.tar,name=app:1",
            "type=tar",
            "dest=x",
            "type=lokal,dest=x",
            "type=local",
            "type=tar,compresion=gzip,dest=x",
            "type=oci,compresion=gzip,dest=x",
            "type=image,dest=x",
            "type=oci,tar=false,dest=x",
            "out",
        ];
        let lines: Vec<String> = specs.iter().map(|spec| format!("{spec}: {}", check(spec))).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        type=local,dest=out: Local Some("out") {}
        type=oci,dest=app.tar,name=app:1: Oci Some("app.tar") {"name": "app:1"}
        type=tar: Tar None {}
        dest=x: it has no `type`
        type=lokal,dest=x: unknown type `lokal`: it must be one of local, tar, oci, docker, image
        type=local: `type=local` needs a directory: `dest=DIR`
        type=tar,compresion=gzip,dest=x: unknown key `compresion`
        type=oci,compresion=gzip,dest=x: unknown key `compresion`; did you mean `compression`?
        type=image,dest=x: `type=image` stays in the engine, and has no `dest`
        type=oci,tar=false,dest=x: `tar=false`, a layout in a directory, is not offered: leave it out for an archive
        out: `out` must be KEY=VALUE
        "#);
    }
}
