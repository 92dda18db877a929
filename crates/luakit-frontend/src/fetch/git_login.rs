//! How `git` is shown what a URL names beside its host: by configuration and variables in its environment.
//!
//! A command line is everybody's to read, and git gives the URL on to programs of its own, so the URL that it gets is
//! the public one. The user and password of the other come from a credential helper of one line, which reads them from
//! the environment, and which git asks for that host alone.

use luakit_llb::percent::{Plus, decode};
use tokio::process::Command;

const USER: &str = "LUAKIT_GIT_USER";
const PASSWORD: &str = "LUAKIT_GIT_PASSWORD";

/// git has a shell run a helper that starts with `!`.
const HELPER: &str =
    r#"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$LUAKIT_GIT_USER" "$LUAKIT_GIT_PASSWORD"; }; f"#;

/// What an http or https URL holds before its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    /// As it is written.
    written: String,
    user: String,
    password: Option<String>,
}

/// Configuration for one run of git, in addition to the user's own.
#[derive(Debug, Default)]
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    pub(super) fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.push((key.into(), value.into()));
    }

    pub(super) fn give_to(self, command: &mut Command) {
        command.env("GIT_CONFIG_COUNT", self.0.len().to_string());
        for (at, (key, value)) in self.0.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{at}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
    }
}

impl Login {
    pub(super) fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (written, _) = authority.rsplit_once('@').filter(|_| scheme.starts_with("http"))?;
        let decoded = |text: &str| String::from_utf8_lossy(&decode(text, Plus::Plus)).into_owned();
        let (user, password) = match written.split_once(':') {
            Some((user, password)) => (decoded(user), Some(decoded(password))),
            None => (decoded(written), None),
        };
        Some(Self {
            written: written.to_owned(),
            user,
            password,
        })
    }

    /// As git would use it in a URL: a user without a password is what its helpers are asked with; with one, nobody
    /// else is asked. `place` is the URL up to its path.
    pub(super) fn give_to(&self, command: &mut Command, settings: &mut Settings, place: &str) {
        match &self.password {
            None => settings.add(format!("credential.{place}.username"), &self.user),
            Some(password) => {
                settings.add("credential.helper", "");
                settings.add(format!("credential.{place}.helper"), HELPER);
                command.env(USER, &self.user).env(PASSWORD, password);
            }
        }
    }

    /// What git says, without this.
    pub(super) fn hide(&self, said: &str) -> String {
        let said = said.replace(&format!("{}@", self.written), "");
        said.replace(&format!("{}@", self.user), "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_read_decoded() {
        let shown = |url: &str| Login::of(url).map(|login| (login.user, login.password));
        assert_eq!(shown("https://h.com/a@b"), None);
        assert_eq!(shown("ssh://git@h.com/a"), None);
        assert_eq!(shown("https://to%6Ben@h.com/a"), Some(("token".to_owned(), None)));
        assert_eq!(
            shown("http://a%40b:p%3Aw:x@h.com"),
            Some(("a@b".to_owned(), Some("p:w:x".to_owned())))
        );
    }
}
