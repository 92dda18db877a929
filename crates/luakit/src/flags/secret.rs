//! `--secret`: a secret's name, and where its value is. The value is read when someone needs it.
//!
//! docker buildx's syntax and meaning (<https://docs.docker.com/reference/cli/docker/buildx/build/#secret>):
//! `id=NAME[,src=FILE|env=VAR][,type=file|env]`. Without a place it is the variable of that name, else the file of that
//! name. Of several for one name the last counts.

use std::path::PathBuf;

use luakit_buildkit::{SECRET_LIMIT, read_secret};
use luakit_diagnostic::nearest;
use luakit_frontend::values::csv;

use crate::environment;
use crate::failure::reason;

const KEYS: [&str; 5] = ["id", "src", "source", "env", "type"];

/// One `--secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretSpec {
    /// Its name in scripts.
    pub(crate) id: String,
    /// Where its value is.
    pub(crate) source: SecretSource,
}

/// Where a secret's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// A file's content.
    File(PathBuf),
    /// A variable of the caller's.
    Env(String),
}

/// Reads one `--secret`; which variables the caller has decides for one without a place.
pub(crate) fn parse(text: &str) -> Result<SecretSpec, String> {
    parse_with(text, |name| environment::variable(name).is_some())
}

fn parse_with(text: &str, is_set: impl Fn(&str) -> bool) -> Result<SecretSpec, String> {
    let (mut id, mut src, mut env, mut kind) = (None, None, None, None);
    for field in csv::fields(text)? {
        let Some((key, value)) = field.split_once('=') else {
            // Somebody may have given the secret itself.
            return Err("a field of it is not KEY=VALUE, as in `id=token,src=token.txt`".to_owned());
        };
        let key = key.to_ascii_lowercase();
        let place = match key.as_str() {
            "id" => &mut id,
            "src" | "source" => &mut src,
            "env" => &mut env,
            "type" => &mut kind,
            _ => {
                return Err(match nearest(&key, KEYS) {
                    Some(near) => format!("unknown key `{key}`; did you mean `{near}`?"),
                    None => "it has a key that is none of `id`, `src`, `env` and `type`".to_owned(),
                });
            }
        };
        if place.replace(value.to_owned()).is_some() {
            return Err(format!("`{key}` is there twice"));
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or("it has no name: `id=NAME`")?;
    let given = |place: Option<String>| place.filter(|place| !place.is_empty());
    let (src, env) = (given(src), given(env));
    let source = match (kind.as_deref(), src, env) {
        (Some("file" | "env") | None, Some(_), Some(_)) => {
            return Err("it has both `src` and `env`: give one".to_owned());
        }
        // buildx takes `src` for the variable's name there.
        (Some("env"), Some(name), None) | (Some("env") | None, None, Some(name)) => SecretSource::Env(name),
        (Some("file"), None, Some(_)) => return Err("`type=file` has no `env`: give `src`".to_owned()),
        (Some("file") | None, Some(path), None) => SecretSource::File(path.into()),
        (Some("env"), None, None) => SecretSource::Env(id.clone()),
        (None, None, None) if is_set(&id) => SecretSource::Env(id.clone()),
        (Some("file") | None, None, None) => SecretSource::File(id.clone().into()),
        (Some(_), _, _) => return Err("`type` must be `file` or `env`".to_owned()),
    };
    Ok(SecretSpec { id, source })
}

impl SecretSpec {
    /// The value. Errors name the place, and nothing of what is there.
    pub(crate) fn value(&self) -> Result<Vec<u8>, String> {
        match &self.source {
            SecretSource::Env(name) => {
                let value = environment::variable(name).ok_or_else(|| format!("the variable `{name}` isn't set"))?;
                let value = value.into_encoded_bytes();
                within_limit(value).ok_or_else(|| format!("the variable `{name}` is longer than 500 KiB"))
            }
            SecretSource::File(path) => {
                let unreadable = |e: std::io::Error| format!("can't read `{}`: {}", path.display(), reason(&e));
                let value = read_secret(path).map_err(unreadable)?;
                within_limit(value).ok_or_else(|| format!("`{}` is larger than 500 KiB", path.display()))
            }
        }
    }
}

fn within_limit(value: Vec<u8>) -> Option<Vec<u8>> {
    (value.len() <= SECRET_LIMIT).then_some(value)
}

/// The secret of that name.
pub(crate) fn find<'a>(secrets: &'a [SecretSpec], id: &str) -> Option<&'a SecretSpec> {
    secrets.iter().rfind(|secret| secret.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match parse_with(text, |name| name == "SET") {
            Ok(SecretSpec { id, source }) => format!("{id} {source:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn places_are_those_of_buildx() {
        assert_eq!(parsed("id=a,src=b"), r#"a File("b")"#);
        assert_eq!(parsed(r#"ID=a,"source=b,c",type=file"#), r#"a File("b,c")"#);
        assert_eq!(parsed("id=a,env=B"), r#"a Env("B")"#);
        assert_eq!(parsed("type=env,id=a,src=B"), r#"a Env("B")"#);
        assert_eq!(parsed("type=env,id=a"), r#"a Env("a")"#);
        assert_eq!(parsed("id=SET"), r#"SET Env("SET")"#);
        assert_eq!(parsed("id=UNSET"), r#"UNSET File("UNSET")"#);
        assert_eq!(parsed("id=SET,type=file"), r#"SET File("SET")"#);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let texts = [
            "src=a",
            "id=",
            "id=a,src=b,env=c",
            "id=a,type=file,env=c",
            "id=a,type=vault",
            "id=a,scr=b",
            "id=a,value=b",
            "id=a,b",
            "id=a,id=b",
        ];
        let said: Vec<String> = texts.into_iter().map(parsed).collect();
        insta::assert_snapshot!(said.join("\n"), @"
        it has no name: `id=NAME`
        it has no name: `id=NAME`
        it has both `src` and `env`: give one
        `type=file` has no `env`: give `src`
        `type` must be `file` or `env`
        unknown key `scr`; did you mean `src`?
        it has a key that is none of `id`, `src`, `env` and `type`
        a field of it is not KEY=VALUE, as in `id=token,src=token.txt`
        `id` is there twice
        ");
    }

    #[test]
    fn values_have_an_end() {
        let dir = tempfile::tempdir().unwrap();
        let spec = |path: PathBuf| SecretSpec {
            id: "x".to_owned(),
            source: SecretSource::File(path),
        };
        let path = dir.path().join("file");
        std::fs::write(&path, vec![b'x'; 500 << 10]).unwrap();
        assert_eq!(spec(path.clone()).value().unwrap().len(), 500 << 10);
        std::fs::write(&path, vec![b'x'; (500 << 10) + 1]).unwrap();
        assert!(spec(path).value().unwrap_err().ends_with("is larger than 500 KiB"));
        assert!(
            spec(dir.path().to_owned())
                .value()
                .unwrap_err()
                .contains("is a directory")
        );
        assert!(spec("/dev/zero".into()).value().unwrap_err().contains("500 KiB"));
    }
}
