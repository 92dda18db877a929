//! `NAME=DIR`: a local directory under the name that a script uses.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::failure::Failure;

/// A name and a directory.
pub(crate) fn parse(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, dir)) if !name.is_empty() && !dir.is_empty() => Ok((name.to_owned(), dir.into())),
        _ => Err("it must be NAME=DIR".to_owned()),
    }
}

/// The directories by name. A name can't be given twice.
pub(crate) fn by_name(given: &[(String, PathBuf)]) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let mut locals = BTreeMap::new();
    for (name, dir) in given {
        if locals.insert(name.clone(), dir.clone()).is_some() {
            return Err(Failure::usage(format!("`--local` gives `{name}` twice")));
        }
    }
    Ok(locals)
}
