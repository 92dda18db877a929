//! Options as they arrive: a map of texts, in no order, with what we don't know among them.

use std::collections::BTreeMap;

use super::OptionError;
use crate::values::parse_bool;

/// What stands before a build argument's name.
pub(super) const ARG: &str = "build-arg:";

/// The options of a request.
#[derive(Clone, Copy)]
pub(super) struct Given<'a>(pub(super) &'a BTreeMap<String, String>);

impl<'a> Given<'a> {
    /// An option's value. An empty one is as good as none, as it is to BuildKit.
    pub(super) fn get(self, option: &str) -> Option<&'a str> {
        self.even_empty(option).filter(|value| !value.is_empty())
    }

    /// An option's value, which may be empty.
    pub(super) fn even_empty(self, option: &str) -> Option<&'a str> {
        self.0.get(option).map(String::as_str)
    }

    /// The options that start with `prefix`: what follows it, and the value.
    pub(super) fn with_prefix(self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .range(prefix.to_owned()..)
            .map_while(move |(option, value)| Some((option.strip_prefix(prefix)?, value.as_str())))
    }

    /// The same as a map. `what` says what each is, where one has no name.
    pub(super) fn named(self, prefix: &'a str, what: &str) -> Result<BTreeMap<String, String>, OptionError> {
        let mut named = BTreeMap::new();
        for (name, value) in self.with_prefix(prefix) {
            if name.is_empty() {
                // Of what it would be nobody knows: it may be secret.
                return Err(OptionError::secret(prefix, format!("{what} has a name")));
            }
            named.insert(name.to_owned(), value.to_owned());
        }
        Ok(named)
    }

    /// An option's value, read by `read`, whose error is what is wrong with it.
    pub(super) fn read<T, E: Into<String>>(
        self,
        option: &str,
        read: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<Option<T>, OptionError> {
        let Some(value) = self.get(option) else { return Ok(None) };
        let wrong = |error: E| OptionError::value(option, value, error);
        read(value).map(Some).map_err(wrong)
    }

    /// A switch.
    pub(super) fn flag(self, option: &str) -> Result<Option<bool>, OptionError> {
        self.read(option, |value| parse_bool(value).ok_or("it must be `true` or `false`"))
    }

    /// A whole number of at least `least`.
    pub(super) fn number(self, option: &str, least: i64) -> Result<Option<i64>, OptionError> {
        self.read(option, |value| match value.parse::<i64>() {
            Ok(number) if number >= least => Ok(number),
            _ => Err(format!("it must be a whole number of at least {least}")),
        })
    }
}
