//! `--annotation`: what is noted beside an image, in its manifest or in its index.
//!
//! docker buildx's syntax (<https://docs.docker.com/reference/cli/docker/buildx/build/#annotation>): `KEY=VALUE`, or
//! `WHERE[,WHERE…]:KEY=VALUE`, where a WHERE is a place and perhaps a platform: `manifest[linux/amd64]`.

use std::str::FromStr;

use luakit_llb::Platform;

use super::exporter_keys::ANNOTATED;

/// One `--annotation`: a value under the exporter's names for it, one for each place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) attrs: Vec<String>,
    pub(crate) value: String,
}

impl FromStr for Annotation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((key, value)) = text.split_once('=') else {
            return Err("it must be `KEY=VALUE`, or `manifest:KEY=VALUE`".to_owned());
        };
        let (places, name) = match key.split_once(':') {
            Some((places, name)) => (Some(places), name),
            None => (None, key),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err("an annotation's name is not empty, and has no spaces".to_owned());
        }
        let attrs = match places {
            None => vec![format!("annotation.{name}")],
            Some(places) => places
                .split(',')
                .map(|place| Ok(format!("annotation-{}.{name}", read_place(place)?)))
                .collect::<Result<_, String>>()?,
        };
        Ok(Self {
            attrs,
            value: value.to_owned(),
        })
    }
}

/// A place as the exporters have it: its platform normalised.
fn read_place(text: &str) -> Result<String, String> {
    let (place, platform) = match text.split_once('[') {
        Some((place, rest)) => {
            let platform = rest.strip_suffix(']').ok_or("the platform ends in `]`")?;
            (place, Some(platform))
        }
        None => (text, None),
    };
    if !ANNOTATED.contains(&place) {
        return Err(format!(
            "`{place}:`: an annotation goes to one of {}",
            ANNOTATED.join(", ")
        ));
    }
    let Some(platform) = platform else {
        return Ok(place.to_owned());
    };
    if place.starts_with("index") {
        return Err(format!("`{text}:`: an index has no platform"));
    }
    let platform: Platform = platform.parse().map_err(|e| format!("`{text}:`: {e}"))?;
    Ok(format!("{place}[{platform}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_buildx() {
        let texts = [
            "org.example.note=a=b",
            "key=",
            "manifest:a=1",
            "index,manifest[linux/arm64/v8]:a=1",
            "manifest-descriptor[linux/amd64]:a=1",
            "index-descriptor:url=http://x",
            "a",
            "=1",
            "a b=1",
            "image:a=1",
            "index[linux/amd64]:a=1",
            "manifest[linux/amd46]:a=1",
            "manifest[linux/amd64:a=1",
        ];
        let read = |text: &str| {
            let read = text.parse::<Annotation>();
            read.map_or_else(|e| e, |a| format!("{} = {:?}", a.attrs.join(" "), a.value))
        };
        let lines = texts.map(|text| format!("{text} -> {}", read(text)));
        insta::assert_snapshot!(lines.join("\n"), @r#"
        org.example.note=a=b -> annotation.org.example.note = "a=b"
        key= -> annotation.key = ""
        manifest:a=1 -> annotation-manifest.a = "1"
        index,manifest[linux/arm64/v8]:a=1 -> annotation-index.a annotation-manifest[linux/arm64].a = "1"
        manifest-descriptor[linux/amd64]:a=1 -> annotation-manifest-descriptor[linux/amd64].a = "1"
        index-descriptor:url=http://x -> annotation-index-descriptor.url = "http://x"
        a -> it must be `KEY=VALUE`, or `manifest:KEY=VALUE`
        =1 -> an annotation's name is not empty, and has no spaces
        a b=1 -> an annotation's name is not empty, and has no spaces
        image:a=1 -> `image:`: an annotation goes to one of manifest, manifest-descriptor, index, index-descriptor
        index[linux/amd64]:a=1 -> `index[linux/amd64]:`: an index has no platform
        manifest[linux/amd46]:a=1 -> `manifest[linux/amd46]:`: unknown architecture `amd46`
        manifest[linux/amd64:a=1 -> the platform ends in `]`
        "#);
    }
}
