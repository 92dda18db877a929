//! Secrets that a lookup may show to servers, by the names that a script uses.
//!
//! Where they come from is the caller's: each is asked for when a source needs it, and no sooner.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Why a secret that was given can't be had. It never holds a piece of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't use the secret `{id}`: {reason}")]
pub struct SecretError {
    /// Its name.
    pub id: String,
    /// Why.
    pub reason: String,
}

type Lookup = dyn Fn(&str) -> Result<Option<Vec<u8>>, SecretError> + Send + Sync;

/// Secrets by name. Their values are never shown.
#[derive(Clone)]
pub struct Secrets(Arc<Lookup>);

impl Secrets {
    /// Those that `lookup` gives; its `None` is a name that nothing was given for.
    pub fn new(lookup: impl Fn(&str) -> Result<Option<Vec<u8>>, SecretError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// A secret as text without the space around it, which a file often ends with.
    pub(super) fn text(&self, id: &str) -> Result<Option<String>, SecretError> {
        let Some(value) = (self.0)(id)? else {
            return Ok(None);
        };
        match std::str::from_utf8(&value) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(_) => Err(SecretError {
                id: id.to_owned(),
                reason: "it is not UTF-8 text".to_owned(),
            }),
        }
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self::new(|_| Ok(None))
    }
}

impl FromIterator<(String, String)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(secrets: I) -> Self {
        let secrets: BTreeMap<String, String> = secrets.into_iter().collect();
        Self::new(move |id| Ok(secrets.get(id).map(|value| value.clone().into_bytes())))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}
