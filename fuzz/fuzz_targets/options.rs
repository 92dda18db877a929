//! A frontend's options: whatever they are, they are read or refused.
//!
//! An input is text, an option a line: its name, `=`, its value.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use luakit_frontend::options::Options;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let lines = text.split('\n').map(|line| line.split_once('=').unwrap_or((line, "")));
    let given: BTreeMap<String, String> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    match Options::parse(&given) {
        Ok(options) => {
            let _settings = options.marshal_settings();
            let names = options.contexts.all().iter().map(|named| (&named.name, &named.platform));
            let mut names: Vec<_> = names.collect();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "a name stands for one thing on a platform");
        }
        Err(error) => {
            let _told = (error.to_string(), error.hint());
        }
    }
});
