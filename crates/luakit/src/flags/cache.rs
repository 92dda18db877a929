//! `--cache-from` and `--cache-to`: where a build's cache comes from, and where it goes.
//!
//! docker buildx's syntax (`util/buildflags/cache.go` of <https://github.com/docker/buildx>): a bare reference is one
//! in a registry, and several may stand in one flag; else fields, `type=…` among them. What buildx adds from the
//! environment is added here, and nothing else of it: GitHub's cache service and its token, AWS's credentials. Values
//! may be secret, so errors name keys of such fields alone.

use std::collections::BTreeMap;

use luakit_buildkit::CacheEntry;
use luakit_diagnostic::nearest;
use luakit_frontend::values::{csv, parse_bool};

use super::cache_keys;

/// Which way a cache goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    From,
    To,
}

/// Reads one value of a flag.
pub(crate) fn parse(way: Way, text: &str) -> Result<Vec<CacheEntry>, String> {
    let fields = csv::fields(text)?;
    if fields.iter().all(|field| !field.contains('=')) {
        return fields.into_iter().map(registry).collect();
    }
    let mut kind = None;
    let mut attrs = BTreeMap::new();
    for field in &fields {
        // The field itself may be a secret that its comma cut in two.
        let (key, value) = field.split_once('=').ok_or("a field of it is not KEY=VALUE")?;
        let key = key.trim().to_ascii_lowercase();
        let again = match key.as_str() {
            "type" => kind.replace(value.to_owned()).is_some(),
            key => attrs.insert(key.to_owned(), value.to_owned()).is_some(),
        };
        if again {
            return Err(format!("`{key}` is there twice"));
        }
    }
    let kind = kind.ok_or("it has no `type`, as in `type=registry,ref=NAME`")?;
    if !cache_keys::KINDS.contains(&kind.as_str()) {
        let near = nearest(&kind, cache_keys::KINDS.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(format!("unknown type `{kind}`{near}"));
    }
    for (key, value) in &mut attrs {
        *value = cache_keys::check(way, &kind, key, value)?;
    }
    check_place(way, &kind, &attrs)?;
    Ok(vec![CacheEntry { kind, attrs }])
}

fn registry(reference: String) -> Result<CacheEntry, String> {
    if reference.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(CacheEntry {
        kind: "registry".to_owned(),
        attrs: BTreeMap::from([("ref".to_owned(), reference)]),
    })
}

/// What a cache can't be found without.
fn check_place(way: Way, kind: &str, attrs: &BTreeMap<String, String>) -> Result<(), String> {
    let key = match (kind, way) {
        ("registry", _) => "ref",
        ("local", Way::From) => "src",
        ("local", Way::To) => "dest",
        ("inline", Way::From) => {
            return Err("a cache inside an image is named by the image: `type=registry,ref=NAME`".to_owned());
        }
        _ => return Ok(()),
    };
    match attrs.get(key) {
        Some(value) if !value.is_empty() => Ok(()),
        _ => Err(format!("`type={kind}` needs `{key}`")),
    }
}

/// Adds what of the caller's environment belongs to a cache.
pub(crate) fn complete(entry: &mut CacheEntry, variable: impl Fn(&str) -> Option<String>) {
    let set = |attrs: &mut BTreeMap<String, String>, key: &str, names: &[&str]| {
        if !attrs.contains_key(key)
            && let Some(value) = names.iter().find_map(|name| variable(name))
        {
            attrs.insert(key.to_owned(), value);
        }
    };
    let attrs = &mut entry.attrs;
    match entry.kind.as_str() {
        "gha" => {
            let second = || variable("ACTIONS_CACHE_SERVICE_V2").and_then(|value| parse_bool(&value));
            let second = attrs
                .get("version")
                .map_or_else(|| second() == Some(true), |v| v == "2");
            set(attrs, "token", &["ACTIONS_RUNTIME_TOKEN"]);
            if second {
                set(attrs, "url_v2", &["ACTIONS_RESULTS_URL"]);
            }
            set(attrs, "url", &["ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL"]);
        }
        "s3" if !(attrs.contains_key("access_key_id") && attrs.contains_key("secret_access_key")) => {
            set(attrs, "access_key_id", &["AWS_ACCESS_KEY_ID"]);
            set(attrs, "secret_access_key", &["AWS_SECRET_ACCESS_KEY"]);
            set(attrs, "session_token", &["AWS_SESSION_TOKEN"]);
        }
        _ => {}
    }
}

/// What a cache of GitHub's lacks: it works in a workflow only.
pub(crate) fn lacks(entry: &CacheEntry) -> Option<&'static str> {
    let has = |key: &str| entry.attrs.get(key).is_some_and(|value| !value.is_empty());
    match entry.kind.as_str() {
        "gha" if !has("token") => Some("`token`, and `ACTIONS_RUNTIME_TOKEN` isn't set"),
        "gha" if !has("url") && !has("url_v2") => Some("`url`, and `ACTIONS_CACHE_URL` isn't set"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(way: Way, text: &str) -> String {
        match parse(way, text) {
            Ok(entries) => {
                let line = |e: &CacheEntry| format!("{} {:?}", e.kind, e.attrs);
                entries.iter().map(line).collect::<Vec<_>>().join("; ")
            }
            Err(error) => error,
        }
    }

    #[test]
    fn entries_are_those_of_buildx() {
        let mut lines = Vec::new();
        for text in [
            "user/app:cache",
            "a,b:1",
            "type=registry,ref=user/app:cache,mode=max,Ignore-Error=1",
            "type=local,dest=cache,compression=zstd",
            "type=inline",
            "type=s3,region=r,bucket=b",
            "type=azblob,account_url=https://x.example",
            "type=gha,scope=main,mode=max",
            "type=registry",
            "type=local,src=cache",
            "type=registry,ref=x,mode=all",
            "type=inline,mode=max",
            "type=registy,ref=x",
            "ref=x",
            "type=registry,ref=x,ref=y",
            "type=gha,token=abc,def",
            "type=gha,token=abc,def=",
            r#"type=gha,token=abc"def"#,
            r#"type=gha,"token=abc"def"#,
            r#"type=gha,"token=abc"#,
            "",
        ] {
            lines.push(format!("to {text}: {}", shown(Way::To, text)));
        }
        for text in [
            "type=local,src=cache,tag=main",
            "type=local,dest=cache",
            "type=registry,ref=x,mode=max",
            "type=inline",
        ] {
            lines.push(format!("from {text}: {}", shown(Way::From, text)));
        }
        insta::assert_snapshot!(lines.join("\n"), @r#"
        to user/app:cache: registry {"ref": "user/app:cache"}
        to a,b:1: registry {"ref": "a"}; registry {"ref": "b:1"}
        to type=registry,ref=user/app:cache,mode=max,Ignore-Error=1: registry {"ignore-error": "true", "mode": "max", "ref": "user/app:cache"}
        to type=local,dest=cache,compression=zstd: local {"compression": "zstd", "dest": "cache"}
        to type=inline: inline {}
        to type=s3,region=r,bucket=b: s3 {"bucket": "b", "region": "r"}
        to type=azblob,account_url=https://x.example: azblob {"account_url": "https://x.example"}
        to type=gha,scope=main,mode=max: gha {"mode": "max", "scope": "main"}
        to type=registry: `type=registry` needs `ref`
        to type=local,src=cache: unknown key `src` for a cache of `type=local`; did you mean `dest`?
        to type=registry,ref=x,mode=all: `mode=all` must be one of min, max
        to type=inline,mode=max: unknown key `mode` for a cache of `type=inline`
        to type=registy,ref=x: unknown type `registy`; did you mean `registry`?
        to ref=x: it has no `type`, as in `type=registry,ref=NAME`
        to type=registry,ref=x,ref=y: `ref` is there twice
        to type=gha,token=abc,def: a field of it is not KEY=VALUE
        to type=gha,token=abc,def=: it has a key that a cache of `type=gha` doesn't take
        to type=gha,token=abc"def: field 2 has a quote inside: quotes go around the whole field, as in `"KEY=a,b"`
        to type=gha,"token=abc"def: field 2 is in quotes, and no comma follows it
        to type=gha,"token=abc: field 2 begins with a quote that is never closed
        to : it is empty
        from type=local,src=cache,tag=main: local {"src": "cache", "tag": "main"}
        from type=local,dest=cache: unknown key `dest` for a cache of `type=local`; did you mean `src`?
        from type=registry,ref=x,mode=max: unknown key `mode` for a cache of `type=registry`
        from type=inline: a cache inside an image is named by the image: `type=registry,ref=NAME`
        "#);
    }

    #[test]
    fn the_environment_adds_what_is_not_given() {
        let variables = BTreeMap::from([
            ("ACTIONS_RUNTIME_TOKEN", "t"),
            ("ACTIONS_CACHE_URL", "u"),
            ("ACTIONS_RESULTS_URL", "r"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
            ("AWS_SESSION_TOKEN", "s"),
        ]);
        let completed = |text: &str, second: bool| {
            let mut entry = parse(Way::To, text).unwrap().remove(0);
            complete(&mut entry, |name| match name {
                "ACTIONS_CACHE_SERVICE_V2" => second.then(|| "True".to_owned()),
                name => variables.get(name).map(|value| (*value).to_owned()),
            });
            format!("{text}: {:?}", entry.attrs)
        };
        let lines = [
            completed("type=gha", false),
            completed("type=gha", true),
            completed("type=gha,token=own,url=own,version=1", true),
            completed("type=s3,bucket=b", false),
            completed("type=s3,access_key_id=a,secret_access_key=b", false),
            completed("type=registry,ref=x", false),
        ];
        insta::assert_snapshot!(lines.join("\n"), @r#"
        type=gha: {"token": "t", "url": "u"}
        type=gha: {"token": "t", "url": "u", "url_v2": "r"}
        type=gha,token=own,url=own,version=1: {"token": "own", "url": "own", "version": "1"}
        type=s3,bucket=b: {"access_key_id": "id", "bucket": "b", "secret_access_key": "key", "session_token": "s"}
        type=s3,access_key_id=a,secret_access_key=b: {"access_key_id": "a", "secret_access_key": "b"}
        type=registry,ref=x: {"ref": "x"}
        "#);
        let alone = parse(Way::To, "type=gha").unwrap().remove(0);
        assert_eq!(lacks(&alone), Some("`token`, and `ACTIONS_RUNTIME_TOKEN` isn't set"));
    }
}
