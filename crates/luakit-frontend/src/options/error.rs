//! Why options make no build.

/// An option of a frontend that can't be honoured.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum OptionError {
    /// A value of another form than the option takes.
    #[error("invalid value{} of the option `{option}`: {why}", quoted(.value.as_deref()))]
    Value {
        /// The option.
        option: String,
        /// What it was given; `None` when it may hold secrets.
        value: Option<String>,
        /// What is wrong with it.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The request needs what this frontend doesn't have.
    #[error("unsupported frontend capability {0}")]
    Capability(String),
}

/// The longest part of a value that is shown, in characters.
const SHOWN: usize = 100;

impl OptionError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Value { hint, .. } => hint.as_deref(),
            Self::Capability(_) => None,
        }
    }

    pub(super) fn value(option: &str, value: &str, why: impl Into<String>) -> Self {
        Self::Value {
            option: option.to_owned(),
            value: Some(shortened(value)),
            why: why.into(),
            hint: None,
        }
    }

    /// The same of a value that may hold secrets.
    pub(super) fn secret(option: &str, why: impl Into<String>) -> Self {
        Self::Value {
            option: option.to_owned(),
            value: None,
            why: why.into(),
            hint: None,
        }
    }

    pub(super) fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Value { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }
}

fn quoted(value: Option<&str>) -> String {
    value.map(|value| format!(" `{value}`")).unwrap_or_default()
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}
