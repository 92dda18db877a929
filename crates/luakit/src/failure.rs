//! Why a command failed, and which exit code says so.

use std::path::Path;
use std::process::ExitCode;

use luakit_buildkit::ConnectError;
use luakit_diagnostic::Diagnostic;

use crate::progress::Signal;

/// A failed command: what to tell, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    diagnostics: Vec<Diagnostic>,
}

/// What failed. The numbers are a promise to scripts that call `luakit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The build, or what it needs: a registry, a file to write.
    Build = 1,
    /// The command line.
    Usage = 2,
    /// The script, or a file that is read with it.
    Script = 3,
    /// No engine answered.
    NoEngine = 4,
    /// The terminal went away.
    HungUp = 129,
    /// The user interrupted.
    Interrupted = 130,
    /// The system, or whoever runs the process, ended it.
    Terminated = 143,
}

/// What the system says of a failed call, in the form of our own messages.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = without_numbers(&error.to_string());
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A message without the numbers that the system has for its errors.
pub(crate) fn without_numbers(text: &str) -> String {
    const MARK: &str = " (os error ";
    let mut parts = text.split(MARK);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit()) => plain.push_str(rest),
            _ => plain.extend([MARK, part]),
        }
    }
    plain
}

/// A message without the users of web addresses, and of any that has a password: an address may have been given where none
/// goes.
fn without_logins(text: &str) -> String {
    const MARK: &str = "://";
    let mut parts = text.split(MARK);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let web = plain.ends_with("http") || plain.ends_with("https");
        let end = part.find(|c: char| matches!(c, '/' | '`') || c.is_whitespace());
        let (authority, rest) = part.split_at(end.unwrap_or(part.len()));
        let shown = match authority.rsplit_once('@') {
            Some((user, host)) if web || user.contains(':') => ["…@", host],
            _ => [authority, ""],
        };
        plain.push_str(MARK);
        plain.extend(shown);
        plain.push_str(rest);
    }
    plain
}

impl Failure {
    pub(crate) fn new(kind: Kind, diagnostic: Diagnostic) -> Self {
        Self {
            kind,
            diagnostics: vec![diagnostic],
        }
    }

    /// Several things that are wrong at once.
    pub(crate) fn several(kind: Kind, diagnostics: Vec<Diagnostic>) -> Self {
        Self { kind, diagnostics }
    }

    /// A flag or an argument is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        let message = without_logins(&message.into());
        Self::new(Kind::Usage, Diagnostic::error("usage", message))
    }

    /// No engine does what is asked.
    pub(crate) fn no_engine(message: impl Into<String>) -> Self {
        Self::new(Kind::NoEngine, Diagnostic::error("no-engine", message))
    }

    /// An engine doesn't answer, or not any more.
    #[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
    pub(crate) fn no_answer(error: ConnectError) -> Self {
        Self::no_engine(error.to_string())
    }

    /// A file or a stream can't be written.
    pub(crate) fn write(what: &str, error: &std::io::Error) -> Self {
        Self::new(
            Kind::Build,
            Diagnostic::error("write", format!("can't write {what}: {}", reason(error))),
        )
    }

    /// A file that is to be written can't be begun, which is known before anything is done for it.
    pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        let failure = Self::usage(format!("can't write `{}`: {}", path.display(), reason(error)));
        let dir = path.parent().filter(|dir| *dir != Path::new(""));
        match dir.filter(|dir| !dir.exists()) {
            Some(dir) => failure.hint(format!("there is no directory `{}`: make it first", dir.display())),
            None => failure,
        }
    }

    /// The program itself can't go on.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Build, Diagnostic::error("internal", message))
    }

    /// A signal ended the build. The exit codes are those of a process that such a signal kills, in a shell.
    pub(crate) fn interrupted(signal: Signal) -> Self {
        let kind = match signal {
            Signal::Interrupt => Kind::Interrupted,
            Signal::Terminate => Kind::Terminated,
            Signal::HangUp => Kind::HungUp,
        };
        Self::new(kind, Diagnostic::error("interrupted", "the build was interrupted"))
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(last) = self.diagnostics.pop() {
            self.diagnostics.push(last.with_hint(hint));
        }
        self
    }

    pub(crate) fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_users() {
        let check = |text: &str, expect: &str| assert_eq!(without_logins(text), expect);
        check("no file `https://me:pw@h/x`", "no file `https://…@h/x`");
        check("`http://token@h`: `x@y`", "`http://…@h`: `x@y`");
        check("tcp://me:pw@h and https://h/@x", "tcp://…@h and https://h/@x");
        check("ssh://me@h, a@b:c", "ssh://me@h, a@b:c");
    }

    #[test]
    fn numbers_of_errors_are_nobodys_business() {
        let check = |text: &str, expect: &str| assert_eq!(without_numbers(text), expect);
        check("no such file (os error 2)", "no such file");
        check("a: b (os error 13), c: d (os error 2).", "a: b, c: d.");
        check("as (os error x) and (os error", "as (os error x) and (os error");
    }
}
