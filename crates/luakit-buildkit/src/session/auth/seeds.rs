//! Token seeds: a random number for each registry, kept beside Docker's `config.json` and shared with docker's own
//! tools (<https://github.com/moby/buildkit/blob/master/session/auth/authprovider/tokenseed.go>).
//!
//! `.token_seed` is JSON: `{"HOST": {"Seed": BASE64}}`, written under the lock of `.token_seed.lock`. Where nothing can
//! be written, the seed lasts as long as this process.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value, json};

/// The seeds of one configuration directory.
pub(super) struct Seeds {
    dir: PathBuf,
    known: Mutex<HashMap<String, Vec<u8>>>,
}

impl Seeds {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            known: Mutex::default(),
        }
    }

    /// The seed for a registry, made now if there is none. May wait for another process.
    pub(super) fn of(&self, host: &str) -> std::io::Result<Vec<u8>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seed) = known.get(host) {
            return Ok(seed.clone());
        }
        let _lock = tolerated(lock(&self.dir))?;
        let path = self.dir.join(".token_seed");
        let mut seeds = read(&path)?;
        let seed = if let Some(seed) = seeds.get(host).and_then(stored) {
            seed
        } else {
            let mut seed = vec![0; 16];
            let filled = SystemRandom::new().fill(&mut seed);
            filled.map_err(|_| std::io::Error::other("the system has no random numbers"))?;
            seeds.insert(host.to_owned(), json!({ "Seed": STANDARD.encode(&seed) }));
            tolerated(write(&self.dir, &path, &seeds))?;
            seed
        };
        known.insert(host.to_owned(), seed.clone());
        Ok(seed)
    }
}

fn stored(entry: &Value) -> Option<Vec<u8>> {
    let seed = STANDARD.decode(entry.get("Seed")?.as_str()?).ok()?;
    (!seed.is_empty()).then_some(seed)
}

fn lock(dir: &Path) -> std::io::Result<File> {
    let path = dir.join(".token_seed.lock");
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    file.lock()?;
    Ok(file)
}

/// What is there; a file that was broken off is begun anew.
fn read(path: &Path) -> std::io::Result<Map<String, Value>> {
    match std::fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_default()),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Map::new()),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Ok(Map::new()),
        Err(e) => Err(e),
    }
}

/// Replaces the file; a temporary one is its owner's alone, and so is this then.
fn write(dir: &Path, path: &Path, seeds: &Map<String, Value>) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(&serde_json::to_vec_pretty(seeds)?)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Directories that nobody may write to are usual in containers.
fn tolerated<T>(outcome: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::PermissionDenied
                    | ErrorKind::NotFound
                    | ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_last_and_are_dockers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".token_seed");
        std::fs::write(&path, r#"{"a.example":{"Seed":"AAECAwQFBgcICQoLDA0ODw=="},"odd":7}"#).unwrap();
        let docker: Vec<u8> = (0..16).collect();
        assert_eq!(Seeds::new(dir.path().to_owned()).of("a.example").unwrap(), docker);

        let first = Seeds::new(dir.path().to_owned()).of("b.example").unwrap();
        assert_eq!(first.len(), 16);
        let again = Seeds::new(dir.path().to_owned());
        assert_eq!(again.of("b.example").unwrap(), first);
        assert_ne!(again.of("c.example").unwrap(), first);
        assert_eq!(again.of("a.example").unwrap(), docker);
        let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(kept["odd"], 7, "entries that mean nothing to us stay");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn where_nothing_can_be_written_they_last_as_long_as_we_do() {
        let seeds = Seeds::new("/nonexistent".into());
        assert_eq!(seeds.of("a.example").unwrap(), seeds.of("a.example").unwrap());
    }

    #[test]
    fn a_broken_file_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".token_seed"), r#"{"a.exa"#).unwrap();
        let seeds = Seeds::new(dir.path().to_owned());
        let seed = seeds.of("a.example").unwrap();
        assert_eq!(Seeds::new(dir.path().to_owned()).of("a.example").unwrap(), seed);
    }
}
