//! A build's result in the form that engines export: refs by platform, and image configs and annotations, which no
//! definition can carry.

use std::collections::BTreeMap;

use luakit_proto::gateway::{self, RefMap, result};

use crate::build::PlatformResult;

/// The message for these results; `multi` gives one of them the shape of several. A single result without a platform
/// has no such shape.
pub(crate) fn message(results: &[PlatformResult], multi: bool) -> gateway::Result {
    let multi = results.len() > 1 || multi && results.iter().all(|result| result.platform.is_some());
    gateway::Result {
        result: refs(results, multi),
        metadata: metadata(results, multi),
    }
}

/// The metadata of a result: configs and annotations by platform
/// (<https://github.com/moby/buildkit/blob/master/exporter/containerimage/exptypes/annotations.go>).
fn metadata(results: &[PlatformResult], several: bool) -> BTreeMap<String, Vec<u8>> {
    let mut metadata = BTreeMap::new();
    let mut platforms = Vec::new();
    for result in results {
        let values = [
            ("containerimage.config", &result.image_config),
            ("containerimage.base.config", &result.base_config),
        ];
        for (name, value) in values {
            let Some(value) = value else { continue };
            let key = match &result.platform {
                Some(platform) if several => format!("{name}/{platform}"),
                _ => name.to_owned(),
            };
            metadata.insert(key, value.clone());
        }
        for (name, value) in &result.annotations {
            let key = match &result.platform {
                Some(platform) if several => format!("annotation-manifest[{platform}].{name}"),
                _ => format!("annotation-manifest.{name}"),
            };
            metadata.insert(key, value.clone().into_bytes());
        }
        if let Some(platform) = &result.platform {
            let mut oci = serde_json::json!({ "architecture": platform.arch(), "os": platform.os() });
            if !platform.variant().is_empty()
                && let Some(map) = oci.as_object_mut()
            {
                map.insert("variant".to_owned(), platform.variant().into());
            }
            platforms.push(serde_json::json!({ "ID": platform.to_string(), "Platform": oci }));
        }
    }
    if !platforms.is_empty() {
        let json = serde_json::json!({ "Platforms": platforms }).to_string();
        metadata.insert("refs.platforms".to_owned(), json.into_bytes());
    }
    metadata
}

/// The refs of a result, by platform if they are several.
fn refs(results: &[PlatformResult], several: bool) -> Option<result::Result> {
    if several {
        let named = results
            .iter()
            .filter_map(|r| Some((r.platform.as_ref()?.to_string(), r.result.0.clone())));
        let refs = luakit_proto::map::entries(named);
        return Some(result::Result::Refs(RefMap { refs }));
    }
    results.first().map(|r| result::Result::Ref(r.result.0.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(platform: &str, config: &str) -> PlatformResult {
        PlatformResult {
            platform: platform.parse().ok(),
            image_config: Some(config.as_bytes().to_vec()),
            ..PlatformResult::default()
        }
    }

    fn shown(results: &[PlatformResult], multi: bool) -> String {
        let line = |(k, v): (String, Vec<u8>)| format!("{k} = {}", String::from_utf8_lossy(&v));
        message(results, multi)
            .metadata
            .into_iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn one_in_the_shape_of_several() {
        let one = [result("linux/amd64", "{}")];
        insta::assert_snapshot!(shown(&one, true), @r#"
        containerimage.config/linux/amd64 = {}
        refs.platforms = {"Platforms":[{"ID":"linux/amd64","Platform":{"architecture":"amd64","os":"linux"}}]}
        "#);
        assert!(matches!(message(&one, true).result, Some(result::Result::Refs(_))));
        assert!(matches!(message(&one, false).result, Some(result::Result::Ref(_))));
    }

    #[test]
    fn metadata_for_one_and_for_several() {
        insta::assert_snapshot!(shown(&[result("linux/amd64", "{}")], false), @r#"
        containerimage.config = {}
        refs.platforms = {"Platforms":[{"ID":"linux/amd64","Platform":{"architecture":"amd64","os":"linux"}}]}
        "#);
        insta::assert_snapshot!(shown(&[result("linux/arm/v7", "a"), result("linux/amd64", "b")], false), @r#"
        containerimage.config/linux/amd64 = b
        containerimage.config/linux/arm/v7 = a
        refs.platforms = {"Platforms":[{"ID":"linux/arm/v7","Platform":{"architecture":"arm","os":"linux","variant":"v7"}},{"ID":"linux/amd64","Platform":{"architecture":"amd64","os":"linux"}}]}
        "#);
    }

    #[test]
    fn annotations_are_the_manifests() {
        let annotated = |platform, value: &str| PlatformResult {
            annotations: BTreeMap::from([("org.example.who".to_owned(), value.to_owned())]),
            ..result(platform, "{}")
        };
        let shown = |results: &[PlatformResult], multi| {
            let lines = shown(results, multi);
            let annotations = lines.lines().filter(|line| line.starts_with("annotation"));
            annotations.map(str::to_owned).collect::<Vec<_>>().join("\n")
        };
        let one = [annotated("linux/arm/v7", "me")];
        insta::assert_snapshot!(shown(&one, false), @"annotation-manifest.org.example.who = me");
        insta::assert_snapshot!(shown(&one, true), @"annotation-manifest[linux/arm/v7].org.example.who = me");
        let two = [annotated("linux/arm/v7", "me"), annotated("linux/amd64", "you")];
        insta::assert_snapshot!(shown(&two, false), @r"
        annotation-manifest[linux/amd64].org.example.who = you
        annotation-manifest[linux/arm/v7].org.example.who = me
        ");
    }
}
