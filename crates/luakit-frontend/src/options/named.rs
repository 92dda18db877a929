//! Named contexts: `context:NAME[::PLATFORM]`, and what belongs to them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use luakit_llb::Platform;
use luakit_script::NamedContexts;

use super::OptionError;
use super::given::Given;
use crate::context_value::ContextValue;

const PREFIX: &str = "context:";
const METADATA: &str = "input-metadata:";

/// One named context.
#[derive(Debug, Clone)]
pub struct NamedOption {
    /// The name, normalised.
    pub name: String,
    /// The only platform that it is for.
    pub platform: Option<Platform>,
    /// Name and platform as they were given: how steps are named.
    pub key: String,
    /// What it stands for.
    pub value: FrontendContext,
    /// What lets an engine recognise what it was sent of a directory before.
    pub shared_key: Option<String>,
}

/// What a name stands for, as a frontend is told.
#[derive(Debug, Clone)]
pub enum FrontendContext {
    /// What a client could be told, too. An image of a layout has a digest.
    Remote(ContextValue),
    /// `local:NAME`: a directory of the client's, by its name for it.
    Local(String),
    /// `input:KEY`: one of the frontend's inputs.
    Input(String),
}

/// The named contexts of a request.
#[derive(Debug, Clone, Default)]
pub struct NamedOptions(Vec<NamedOption>);

impl NamedOptions {
    /// All of them, sorted by name, those for all platforms first. Each name is there once for a platform, and once for
    /// all others.
    pub fn all(&self) -> &[NamedOption] {
        &self.0
    }

    pub(super) fn of(given: Given<'_>) -> Result<Self, OptionError> {
        let mut contexts = BTreeMap::new();
        for (key, value) in given.with_prefix(PREFIX) {
            let option = format!("{PREFIX}{key}");
            let wrong = |why: String| OptionError::secret(&option, why);
            let (name, platform) = match key.rsplit_once("::") {
                Some((name, platform)) => {
                    let platform: Platform = platform.parse().map_err(|e| wrong(format!("{e}")))?;
                    (name, Some(platform))
                }
                None => (key, None),
            };
            let name = NamedContexts::normalise(name).map_err(|e| wrong(format!("invalid name `{name}`: {e}")))?;
            if name == luakit_llb::marshal::CONTEXT {
                let why = "the build context itself has no other in its place";
                return Err(OptionError::secret(&format!("--build-context {key}"), why)
                    .with_hint("give that as the context: `docker build … DIR`"));
            }
            let shared_key = given.get(&format!("sharedkey:localdir:{key}")).map(str::to_owned);
            let named = NamedOption {
                name: name.clone(),
                platform: platform.clone(),
                key: key.to_owned(),
                value: FrontendContext::parse(value).map_err(wrong)?,
                shared_key,
            };
            if contexts.insert((name.clone(), platform), named).is_some() {
                return Err(wrong(format!("the context `{name}` is given twice")));
            }
        }
        Ok(Self(contexts.into_values().collect()))
    }
}

impl FrontendContext {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(remote) = ContextValue::parse(text).map_err(|error| error.to_string())? {
            if matches!(remote, ContextValue::OciLayout { digest: None, .. }) {
                return Err("an image of a layout needs its digest: oci-layout://STORE@DIGEST".to_owned());
            }
            return Ok(Self::Remote(remote));
        }
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match (scheme, rest) {
            ("local" | "input", "") => Err(format!("`{scheme}:` is followed by a name")),
            ("local", name) => Ok(Self::Local(name.to_owned())),
            ("input", key) => Ok(Self::Input(key.to_owned())),
            ("target", name) => Err(format!(
                "`target:{name}` is another target's result, which only `docker buildx bake` can name"
            )),
            _ => Err("it must be docker-image://, oci-layout://, local:, input:, or a git or http URL".to_owned()),
        }
    }
}

/// The image configs that come with inputs, by the inputs' keys.
pub(super) fn input_configs(given: Given<'_>) -> Result<BTreeMap<String, Vec<u8>>, OptionError> {
    let mut configs = BTreeMap::new();
    for (key, json) in given.with_prefix(METADATA) {
        let wrong = || {
            let form = "it must be JSON that maps names to base64, as `{\"containerimage.config\":\"…\"}`";
            OptionError::value(&format!("{METADATA}{key}"), json, form)
        };
        let metadata: BTreeMap<String, Option<String>> = serde_json::from_str(json).map_err(|_| wrong())?;
        if let Some(Some(config)) = metadata.get("containerimage.config") {
            configs.insert(key.to_owned(), STANDARD.decode(config).map_err(|_| wrong())?);
        }
    }
    Ok(configs)
}
