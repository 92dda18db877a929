//! What exporters say of a build that has succeeded, in the forms that clients show it: docker buildx's and
//! `buildctl`'s metadata file, and the id of an image (`commands/build.go` of <https://github.com/docker/buildx>).

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value;

/// What came of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildResponse {
    /// What the exporters say: `containerimage.digest`, `image.name`, …
    pub exporter: BTreeMap<String, String>,
}

impl BuildResponse {
    /// What the image is known by. `by_digest`: whether it is in a store that knows images by the digests of their
    /// manifests or indexes, as containerd's does, rather than by those of their configs.
    pub fn image_id(&self, by_digest: bool) -> Option<&str> {
        let said = |key: &str| self.exporter.get(key).map(String::as_str);
        let config = said("containerimage.config.digest");
        let digest = said("containerimage.digest");
        if by_digest {
            digest.or(config)
        } else {
            config.or(digest)
        }
    }

    /// All of it as JSON. Values that hold an object, or a list of them, in base64 are written as what they are.
    pub fn metadata(&self) -> String {
        let fields = self.exporter.iter().map(|(key, text)| {
            let value = decoded(text).unwrap_or_else(|| Value::from(text.as_str()));
            (key.clone(), value)
        });
        format!("{:#}", Value::Object(fields.collect()))
    }
}

fn decoded(text: &str) -> Option<Value> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    let objects = match &value {
        Value::Object(object) => !object.is_empty(),
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_object),
        _ => false,
    };
    objects.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> BuildResponse {
        let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let pairs = [
            ("containerimage.descriptor", base64(r#"{"size":2,"digest":"sha256:d"}"#)),
            ("containerimage.config.digest", "sha256:c".to_owned()),
            ("containerimage.digest", "sha256:d".to_owned()),
            ("image.name", "docker.io/library/app:1".to_owned()),
            ("number", base64("12")),
            ("empty", base64("{}")),
            ("list", base64(r#"[{"a":1}]"#)),
        ];
        BuildResponse {
            exporter: pairs.map(|(key, value)| (key.to_owned(), value)).into(),
        }
    }

    #[test]
    fn descriptors_are_decoded() {
        insta::assert_snapshot!(response().metadata(), @r#"
        {
          "containerimage.config.digest": "sha256:c",
          "containerimage.descriptor": {
            "digest": "sha256:d",
            "size": 2
          },
          "containerimage.digest": "sha256:d",
          "empty": "e30=",
          "image.name": "docker.io/library/app:1",
          "list": [
            {
              "a": 1
            }
          ],
          "number": "MTI="
        }
        "#);
    }

    #[test]
    fn the_id_is_what_the_store_knows_the_image_by() {
        assert_eq!(response().image_id(false), Some("sha256:c"));
        assert_eq!(response().image_id(true), Some("sha256:d"));
        let mut several = response();
        several.exporter.remove("containerimage.config.digest");
        assert_eq!(several.image_id(false), Some("sha256:d"));
        assert_eq!(BuildResponse::default().image_id(true), None);
    }
}
