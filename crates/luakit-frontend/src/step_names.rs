//! Which platform a step is for, said in its name where a build is for several.
//!
//! An engine shows steps of all platforms together. What several platforms share is one step there, and of none of them:
//! it keeps its name, and so do sources, which are called by what they are.

use std::collections::BTreeSet;
use std::collections::hash_map::{Entry, HashMap};

use luakit_llb::Platform;

use crate::plan::Output;

/// Puts the platform before the names of the steps that are for one platform alone, where there are several.
pub(crate) fn tell_platforms(outputs: &mut [Output]) {
    let platforms: BTreeSet<&Platform> = outputs.iter().map(|output| &output.platform).collect();
    if platforms.len() < 2 {
        return;
    }
    // By digest; none is of several.
    let mut steps: HashMap<String, Option<Platform>> = HashMap::new();
    for output in &*outputs {
        for digest in output.definition.labelled() {
            match steps.entry(digest.to_owned()) {
                Entry::Occupied(mut of) if of.get().as_ref() != Some(&output.platform) => {
                    of.insert(None);
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(of) => {
                    of.insert(Some(output.platform.clone()));
                }
            }
        }
    }
    for output in outputs {
        let is_own = |digest: &str| steps.get(digest).is_some_and(Option::is_some);
        let mark = format!("[{}", output.platform);
        output.definition.mark_steps(&mark, is_own);
    }
}
