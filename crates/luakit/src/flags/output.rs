//! `-o TYPE…`: where a result goes, and how.

use std::collections::BTreeMap;
use std::str::FromStr;

use luakit_diagnostic::nearest;

/// One `-o`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    pub(crate) dest: Option<String>,
    pub(crate) attrs: BTreeMap<String, String>,
}

/// What a result becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
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

    /// Whether it is an archive that goes to stdout.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self.kind, Kind::Tar | Kind::Oci | Kind::Docker) && self.dest.as_deref().is_none_or(|dest| dest == "-")
    }

    /// Whether the result is an image, with a config and a name.
    pub(crate) fn is_image(&self) -> bool {
        matches!(self.kind, Kind::Oci | Kind::Docker | Kind::Image)
    }
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
