//! `-o type=…`: where a result goes, and how.

use std::collections::BTreeMap;
use std::str::FromStr;

use luakit_frontend::values::csv;

use super::exporter_keys;

/// One `-o`, in the form of `buildctl build`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    pub(crate) dest: Option<String>,
    /// The exporter's attributes, checked. `name` is as it was given.
    pub(crate) attrs: BTreeMap<String, String>,
    /// Whether it is an image layout in a directory instead of an archive of one.
    pub(crate) layout: bool,
    /// Whether it goes into Docker's store.
    pub(crate) load: bool,
}

/// What a result becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Local,
    Tar,
    Oci,
    Docker,
    Image,
    /// Nothing: the result stays in the engine's cache.
    CacheOnly,
}

/// An image that is pushed, as docker buildx calls it.
const REGISTRY: &str = "registry";

const KINDS: &[(&str, Kind)] = &[
    ("local", Kind::Local),
    ("tar", Kind::Tar),
    ("oci", Kind::Oci),
    ("docker", Kind::Docker),
    ("image", Kind::Image),
    (REGISTRY, Kind::Image),
    ("cacheonly", Kind::CacheOnly),
];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        KINDS
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether the result is an image, with a config and a name.
    pub(crate) fn is_image(self) -> bool {
        matches!(self, Self::Oci | Self::Docker | Self::Image)
    }
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut name = None;
        let mut dest = None;
        let mut attrs = BTreeMap::new();
        let fields = csv::fields(text)?;
        if let [only] = fields.as_slice()
            && !only.contains('=')
        {
            return Err(bare(only));
        }
        for field in fields {
            let (key, value) = field
                .split_once('=')
                .ok_or_else(|| format!("`{field}` must be KEY=VALUE"))?;
            let key = key.trim();
            // Annotations have names of their own; all else is read without regard to case, as BuildKit does.
            let key = match key.split_once('.') {
                Some((head, _)) if head.to_ascii_lowercase().starts_with("annotation") => key.to_owned(),
                _ => key.to_ascii_lowercase(),
            };
            let again = match key.as_str() {
                "type" => name.replace(value.to_owned()).is_some(),
                "dest" => dest.replace(value.to_owned()).is_some(),
                "output" => return Err(format!("`output={value}`: did you mean `dest={value}`?")),
                key => attrs.insert(key.to_owned(), value.to_owned()).is_some(),
            };
            if again {
                return Err(format!("`{key}` is there twice"));
            }
        }
        let name = name.ok_or("it has no `type`")?;
        let kind = parse_kind(&name)?;
        for (key, value) in &mut attrs {
            *value = exporter_keys::check(kind, key, value)?;
        }
        let layout = attrs.remove("tar").is_some_and(|tar| tar != "true");
        check_dest(kind, dest.as_deref(), layout)?;
        let mut spec = Self {
            kind,
            dest,
            attrs,
            layout,
            load: false,
        };
        if name == REGISTRY {
            if spec.attrs.get("push").is_some_and(|push| push != "true") {
                return Err("`type=registry` pushes, and has no `push=false`".to_owned());
            }
            spec.push();
        }
        Ok(spec)
    }
}

/// What `docker build` takes, and `buildctl build` does not.
fn bare(text: &str) -> String {
    let meant = match text {
        "" => return "it has no `type`".to_owned(),
        "-" => "type=tar,dest=-".to_owned(),
        name if KINDS.iter().any(|(kind, _)| *kind == name) => format!("type={name}"),
        dir => format!("type=local,dest={dir}"),
    };
    format!("it has no `type`; did you mean `{meant}`?")
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    let found = KINDS.iter().find(|(name, _)| *name == text);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        format!("unknown type `{text}`: it must be one of {}", names.join(", "))
    })
}

fn check_dest(kind: Kind, dest: Option<&str>, layout: bool) -> Result<(), String> {
    match (kind, dest) {
        (Kind::Local, None | Some("" | "-")) => Err("`type=local` needs a directory: `dest=DIR`".to_owned()),
        (Kind::Image, Some(_)) => Err("`type=image` stays in the engine, and has no `dest`".to_owned()),
        (Kind::CacheOnly, Some(_)) => Err("`type=cacheonly` has no `dest`".to_owned()),
        (_, None | Some("" | "-")) if layout => Err("`tar=false` needs a directory: `dest=DIR`".to_owned()),
        _ => Ok(()),
    }
}

impl Spec {
    /// An image in the engine's store.
    pub(crate) fn image() -> Self {
        Self {
            kind: Kind::Image,
            dest: None,
            attrs: BTreeMap::new(),
            layout: false,
            load: false,
        }
    }

    /// An image in Docker's store.
    pub(crate) fn docker() -> Self {
        Self {
            kind: Kind::Docker,
            load: true,
            ..Self::image()
        }
    }

    /// Pushes the image. The engine then needn't unpack it, unless it is told to.
    pub(crate) fn push(&mut self) {
        self.attrs.insert("push".to_owned(), "true".to_owned());
        self.attrs
            .entry("unpack".to_owned())
            .or_insert_with(|| "false".to_owned());
    }

    /// As docker buildx reads it: an image of Docker's without a `dest` goes into Docker's store.
    pub(crate) fn read_as_buildx_does(mut self) -> Self {
        self.load = self.kind == Kind::Docker && matches!(self.dest.as_deref(), None | Some(""));
        self
    }

    /// Whether it is an archive that goes to stdout.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self.kind, Kind::Tar | Kind::Oci | Kind::Docker)
            && !self.load
            && matches!(self.dest.as_deref(), None | Some("" | "-"))
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, key: &str) -> bool {
        self.attrs.get(key).is_some_and(|value| value == "true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        text.parse::<Spec>().map_or_else(
            |e| e,
            |spec| {
                let layout = if spec.layout { " layout" } else { "" };
                format!("{:?} {:?} {:?}{layout}", spec.kind, spec.dest, spec.attrs)
            },
        )
    }

    #[test]
    fn specs_are_buildctls() {
        let specs = [
            "type=local,dest=out",
            "type=local,dest=out,platform-split=0,attestation-prefix=p",
            "type=oci,dest=app.tar,name=app:1",
            "type=tar",
            r#"type=image,"name=a,b",Push=,"annotation.Said=x,y""#,
            "type=oci,annotation-manifest[linux/amd64].a=1,annotation-index.b=2",
            "dest=x",
            "type=lokal,dest=x",
            "type=local",
            "type=local,dest=x,output=y",
            "type=tar,compresion=gzip,dest=x",
            "type=tar,annotation.a=b",
            "type=oci,compresion=gzip,dest=x",
            "type=oci,compression=lzma",
            "type=oci,force-compression=perhaps",
            "type=oci,push=true",
            "type=oci,annotation=x",
            "type=oci,annotations.x=1",
            "type=oci,annotation-manifests.x=1",
            "type=oci,annotation-index[linux/amd64].x=1",
            "type=oci,annotation[linux/amd46].x=1",
            "type=image,dest=x",
            "type=oci,tar=false,dest=x",
            "type=oci,tar=false",
            "type=registry,name=app:1",
            "type=registry,unpack=true",
            "type=registry,push=false",
            "type=cacheonly",
            "type=cacheonly,dest=x",
            r#"type=image,name="a,b""#,
            "out",
            "-",
            "oci",
        ];
        let lines: Vec<String> = specs.iter().map(|spec| format!("{spec}: {}", check(spec))).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        type=local,dest=out: Local Some("out") {}
        type=local,dest=out,platform-split=0,attestation-prefix=p: Local Some("out") {"attestation-prefix": "p", "platform-split": "false"}
        type=oci,dest=app.tar,name=app:1: Oci Some("app.tar") {"name": "app:1"}
        type=tar: Tar None {}
        type=image,"name=a,b",Push=,"annotation.Said=x,y": Image None {"annotation.Said": "x,y", "name": "a,b", "push": "true"}
        type=oci,annotation-manifest[linux/amd64].a=1,annotation-index.b=2: Oci None {"annotation-index.b": "2", "annotation-manifest[linux/amd64].a": "1"}
        dest=x: it has no `type`
        type=lokal,dest=x: unknown type `lokal`: it must be one of local, tar, oci, docker, image, registry, cacheonly
        type=local: `type=local` needs a directory: `dest=DIR`
        type=local,dest=x,output=y: `output=y`: did you mean `dest=y`?
        type=tar,compresion=gzip,dest=x: unknown key `compresion` for `type=tar`
        type=tar,annotation.a=b: unknown key `annotation.a` for `type=tar`
        type=oci,compresion=gzip,dest=x: unknown key `compresion` for `type=oci`; did you mean `compression`?
        type=oci,compression=lzma: `compression=lzma` must be one of uncompressed, gzip, estargz, zstd
        type=oci,force-compression=perhaps: `force-compression=perhaps` must be `true` or `false`
        type=oci,push=true: unknown key `push` for `type=oci`
        type=oci,annotation=x: `annotation`: an annotation has a name: `annotation.NAME=VALUE`
        type=oci,annotations.x=1: unknown key `annotations.x` for `type=oci`
        type=oci,annotation-manifests.x=1: `annotation-manifests.x`: an annotation goes to one of manifest, manifest-descriptor, index, index-descriptor
        type=oci,annotation-index[linux/amd64].x=1: `annotation-index[linux/amd64].x`: an index has no platform
        type=oci,annotation[linux/amd46].x=1: `annotation[linux/amd46].x`: unknown architecture `amd46`
        type=image,dest=x: `type=image` stays in the engine, and has no `dest`
        type=oci,tar=false,dest=x: Oci Some("x") {} layout
        type=oci,tar=false: `tar=false` needs a directory: `dest=DIR`
        type=registry,name=app:1: Image None {"name": "app:1", "push": "true", "unpack": "false"}
        type=registry,unpack=true: Image None {"push": "true", "unpack": "true"}
        type=registry,push=false: `type=registry` pushes, and has no `push=false`
        type=cacheonly: CacheOnly None {}
        type=cacheonly,dest=x: `type=cacheonly` has no `dest`
        type=image,name="a,b": field 2 has a quote inside: quotes go around the whole field, as in `"KEY=a,b"`
        out: it has no `type`; did you mean `type=local,dest=out`?
        -: it has no `type`; did you mean `type=tar,dest=-`?
        oci: it has no `type`; did you mean `type=oci`?
        "#);
    }
}
