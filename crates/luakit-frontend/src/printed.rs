//! What a script prints that runs for several platforms: what it printed for one isn't told again for the next.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use luakit_script::Print;

/// How many different texts are known again. A script that prints more is told in full.
const MOST: usize = 10_000;

/// Where `print` goes, for one platform after the other.
pub(crate) struct PrintedOnce {
    print: Print,
    told: Arc<Mutex<Told>>,
}

/// The texts that were told, by their hashes.
#[derive(Default)]
struct Told {
    /// For earlier platforms.
    before: HashSet<u64>,
    /// For this one, which may say something twice.
    now: HashSet<u64>,
}

impl PrintedOnce {
    pub(crate) fn new(print: Print) -> Self {
        Self {
            print,
            told: Arc::default(),
        }
    }

    /// Where `print` goes for the next platform.
    pub(crate) fn next(&self) -> Print {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = std::mem::take(&mut told.now);
        told.before.extend(now);
        let (print, told) = (Arc::clone(&self.print), Arc::clone(&self.told));
        Arc::new(move |text| {
            let is_new = told.lock().unwrap_or_else(PoisonError::into_inner).add(text);
            if is_new {
                print(text);
            }
        })
    }
}

impl Told {
    /// Whether no earlier platform had the text.
    fn add(&mut self, text: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        if self.before.contains(&hash) {
            return false;
        }
        if self.before.len() + self.now.len() < MOST {
            self.now.insert(hash);
        }
        true
    }
}
