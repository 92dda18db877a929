//! Tables: lists, maps, records and options.

use std::borrow::Cow;

use luakit_diagnostic::nearest;
use luakit_llb::Platform;
use luakit_llb::op::{Owner, OwnerId};
use mlua::{Table, Value};

use super::arg::{Arg, Options};
use super::text::{self, Wrong, quoted};
use super::value::{Decoder, bad_platform, expected, plural, type_name};
use super::{At, hint};
use crate::api::args::values_behind;
use crate::api::table::{Field, Function, OWNER_PARTS, PLATFORM_PARTS, Record, Type};
use crate::error::{CallError, Subject};

impl Decoder<'_> {
    pub(super) fn table(&mut self, ty: &Type, table: &Table, at: &At<'_>) -> Option<Arg> {
        if let Some(args) = values_behind(self.lua, table) {
            return self.table(ty, &args, at);
        }
        match ty {
            Type::NonEmptyList(of) => {
                let list = self.list(of, table, at)?;
                if list.is_empty() {
                    self.bad(at, Wrong::new("can't be an empty list"));
                    return None;
                }
                Some(Arg::List(list))
            }
            Type::OneOrMore(Type::Port) => {
                let items = self.list(&Type::Port, table, at)?;
                let texts = items.into_iter().flat_map(|item| match item {
                    Arg::Texts(texts) => texts,
                    _ => Vec::new(),
                });
                Some(Arg::Texts(texts.collect()))
            }
            Type::List(of) | Type::OneOrMore(of) => self.list(of, table, at).map(Arg::List),
            Type::Map(of) => self.map(of, table, at),
            Type::TextMap => self.map(&Type::Text, table, at),
            Type::EnvOrList if table.raw_len() > 0 => self.env_list(table, at),
            Type::Env | Type::EnvOrList => self.env(table, at),
            Type::Record(record) => self.record(record, table, at).map(Arg::Record),
            Type::Owner => self.owner(table, at).map(Arg::Owner),
            Type::Platform => self.platform(table, at).map(Arg::Platform),
            _ => None,
        }
    }

    /// The elements of a list: keys 1 to n and no others.
    fn list(&mut self, of: &Type, table: &Table, at: &At<'_>) -> Option<Vec<Arg>> {
        let mut items: Vec<(i64, Value)> = Vec::with_capacity(table.raw_len());
        let mut strange: Vec<String> = Vec::new();
        let walked = table.for_each(|key: Value, value: Value| {
            match key {
                Value::Integer(index) if index >= 1 => items.push((index, value)),
                other => strange.push(key_text(&other)),
            }
            Ok(())
        });
        if walked.is_err() {
            self.bad(at, Wrong::new("can't be read"));
            return None;
        }
        if let Some(key) = strange.iter().min() {
            let what = format!("must be a list of {}, but it has the key {key}", plural(of));
            let hint = matches!(of, Type::Mount).then(|| hint::MOUNTS.to_owned());
            self.problems.add("wrong-type", at, format_args!("{what}"), hint);
            return None;
        }
        items.sort_unstable_by_key(|(index, _)| *index);
        let hole = (1..).zip(&items).find(|(due, (index, _))| due != index);
        if let Some((due, _)) = hole {
            let place = usize::try_from(due).unwrap_or(usize::MAX);
            let hint = "a list can't have holes; is the variable's name right, and was it set?";
            let what = format!("must be {}, got nil", expected(of));
            self.problems.add(
                "nil-value",
                &At::Index(at, place),
                format_args!("{what}"),
                Some(hint.to_owned()),
            );
            return None;
        }
        let mut list = Vec::with_capacity(items.len());
        let mut whole = true;
        for (place, (_, value)) in (1..).zip(&items) {
            match self.value(of, value, &At::Index(at, place)) {
                Some(arg) => list.push(arg),
                None => whole = false,
            }
        }
        whole.then_some(list)
    }

    /// The pairs of a table whose keys are names, sorted bytewise.
    fn pairs(&mut self, table: &Table, at: &At<'_>) -> Option<Vec<(String, Value)>> {
        let mut pairs: Vec<(Vec<u8>, Value)> = Vec::new();
        let mut strange: Vec<String> = Vec::new();
        let walked = table.for_each(|key: Value, value: Value| {
            match key {
                Value::String(key) => pairs.push((key.as_bytes().to_vec(), value)),
                other => strange.push(key_text(&other)),
            }
            Ok(())
        });
        if walked.is_err() {
            self.bad(at, Wrong::new("can't be read"));
            return None;
        }
        if let Some(key) = strange.iter().min() {
            let what = format!("must be a table keyed by names, but it has the key {key}");
            let hint = (table.raw_len() > 0).then(|| "write `{ NAME = \"value\" }`".to_owned());
            self.problems.add("wrong-type", at, format_args!("{what}"), hint);
            return None;
        }
        pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut named = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let shown = String::from_utf8_lossy(&key).into_owned();
            let key = self.utf8(&key, &At::Key(at, &shown))?;
            if key.is_empty() {
                self.bad(at, Wrong::new("can't have an empty name as a key"));
                return None;
            }
            named.push((key, value));
        }
        Some(named)
    }

    fn map(&mut self, of: &Type, table: &Table, at: &At<'_>) -> Option<Arg> {
        let pairs = self.pairs(table, at)?;
        let mut decoded = Vec::with_capacity(pairs.len());
        let mut whole = true;
        for (key, value) in pairs {
            match self.value(of, &value, &At::Key(at, &key)) {
                Some(arg) => decoded.push((key, arg)),
                None => whole = false,
            }
        }
        whole.then_some(Arg::Pairs(decoded))
    }

    fn env(&mut self, table: &Table, at: &At<'_>) -> Option<Arg> {
        let Arg::Pairs(pairs) = self.map(&Type::Text, table, at)? else {
            return None;
        };
        if let Some((name, _)) = pairs.iter().find(|(name, _)| name.contains('=')) {
            let what = format!("{at} can't have a variable with `=` in its name: {}", quoted(name));
            self.push(CallError::new("bad-value", what).about(at.subject().name_of(name)));
            return None;
        }
        Some(Arg::Pairs(pairs))
    }

    fn env_list(&mut self, table: &Table, at: &At<'_>) -> Option<Arg> {
        let list = self.list(&Type::Name, table, at)?;
        let mut pairs = Vec::with_capacity(list.len());
        for (place, item) in (1..).zip(list) {
            let Arg::Text(item) = item else { return None };
            match item.split_once('=') {
                Some((name, value)) if !name.is_empty() => pairs.push((name.to_owned(), Arg::Text(value.to_owned()))),
                _ => {
                    let wrong = Wrong::new(format!("must be \"NAME=value\", got {}", quoted(&item)));
                    self.bad(&At::Index(at, place), wrong);
                    return None;
                }
            }
        }
        Some(Arg::Pairs(pairs))
    }

    fn owner(&mut self, table: &Table, at: &At<'_>) -> Option<Owner> {
        let mut parts = self.record(&OWNER_PARTS, table, at)?;
        if parts.0.is_empty() {
            self.bad(at, Wrong::new("must have a `user` or a `group`"));
            return None;
        }
        let mut part = |decoder: &mut Self, name: &'static str| -> Option<Option<OwnerId>> {
            let Some(text) = parts.take::<String>(name).ok()? else {
                return Some(None);
            };
            decoder.ok_or_bad(&At::Key(at, name), text::owner_id(&text)).map(Some)
        };
        let user = part(self, "user")?;
        let group = part(self, "group")?;
        Some(Owner { user, group })
    }

    fn platform(&mut self, table: &Table, at: &At<'_>) -> Option<Platform> {
        let mut parts = self.record(&PLATFORM_PARTS, table, at)?;
        let mut part = |name| parts.take::<String>(name).ok().flatten().unwrap_or_default();
        let (os, arch, variant) = (part("os"), part("arch"), part("variant"));
        let platform = Platform::new(&os, &arch, &variant).map_err(|e| bad_platform(&e));
        self.ok_or_bad(at, platform)
    }

    /// The options of a call.
    pub(super) fn options(&mut self, function: &'static Function, record: &'static Record, table: &Table) -> Options {
        let what = || format!("the options of {}", function.shown());
        let place = (format!("in {}", function.shown()), "option");
        let found = self.find(record, table, &what, &place, &|key| Subject::OptionName(key.to_owned()));
        let mut options = Vec::with_capacity(found.len());
        let mut seen = Vec::with_capacity(found.len());
        for (field, key, value) in found {
            seen.push(field.name);
            if let Some(arg) = self.value(&field.ty, &value, &At::Option(&key)) {
                options.push((field.name, arg));
            }
        }
        self.required(record, &seen, &At::Option("options"));
        Options(options)
    }

    /// A value made of parts.
    fn record(&mut self, record: &'static Record, table: &Table, at: &At<'_>) -> Option<Options> {
        let before = self.problems.0.len();
        let what = || format!("the parts of {at}");
        let place = (format!("in {at}"), "key");
        let found = self.find(record, table, &what, &place, &|key| at.subject().name_of(key));
        let mut parts = Vec::with_capacity(found.len());
        let mut seen = Vec::with_capacity(found.len());
        for (field, key, value) in found {
            seen.push(field.name);
            if let Some(arg) = self.value(&field.ty, &value, &At::Key(at, &key)) {
                parts.push((field.name, arg));
            }
        }
        self.required(record, &seen, at);
        (self.problems.0.len() == before).then_some(Options(parts))
    }

    /// The fields that a table holds, in the record's order. `place` says where that is and what its keys are called,
    /// and `name_of` which part of the call a key's name is.
    fn find(
        &mut self,
        record: &'static Record,
        table: &Table,
        what: &dyn Fn() -> String,
        place: &(String, &'static str),
        name_of: &dyn Fn(&str) -> Subject,
    ) -> Vec<(&'static Field, Cow<'static, str>, Value)> {
        let mut found: Vec<(usize, Cow<'static, str>, Value)> = Vec::new();
        let mut others: Vec<String> = Vec::new();
        let mut unnamed: Vec<String> = Vec::new();
        let walked = table.for_each(|key: Value, value: Value| {
            let Value::String(key) = key else {
                unnamed.push(key_text(&key));
                return Ok(());
            };
            let bytes = key.as_bytes();
            let place = if record.ignore_case {
                let lower = bytes.to_ascii_lowercase();
                record.fields.iter().position(|field| field.is_called(&lower))
            } else {
                record.fields.iter().position(|field| field.is_called(&bytes))
            };
            match place.and_then(|place| Some((place, record.fields.get(place)?.name))) {
                Some((place, name)) if name.as_bytes() == &*bytes => found.push((place, Cow::Borrowed(name), value)),
                Some((place, _)) => found.push((place, Cow::Owned(lossy(&bytes)), value)),
                None => others.push(lossy(&bytes)),
            }
            Ok(())
        });
        if walked.is_err() {
            unnamed.push("?".to_owned());
        }
        if let Some(key) = unnamed.iter().min() {
            let message = format!("{} must have names, but there is the key {key}", what());
            self.push(CallError::new("wrong-type", message).hint("write `{ name = value }`"));
        }
        others.sort_unstable();
        for key in &others {
            self.push(unknown(record, key, &place.0, place.1).about(name_of(key)));
        }
        found.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let twice = found.windows(2).find_map(|pair| match pair {
            [a, b] if a.0 == b.0 => Some((a.1.to_string(), b.1.to_string())),
            _ => None,
        });
        if let Some((one, other)) = twice {
            let error = CallError::new(
                "conflicting-options",
                format!("`{one}` and `{other}` are the same option, and both are given"),
            );
            self.push(error.about(name_of(&other)).hint("leave one out"));
        }
        let resolve = |(place, key, value)| {
            record
                .fields
                .get(place)
                .map(|field: &'static Field| (field, key, value))
        };
        found.into_iter().filter_map(resolve).collect()
    }

    /// Complains about required fields that are not there.
    pub(super) fn required(&mut self, record: &'static Record, seen: &[&str], at: &At<'_>) {
        for field in record.fields.iter().filter(|f| f.required && !seen.contains(&f.name)) {
            let what = format!("must have `{}`: {}", field.name, expected(&field.ty));
            self.problems.add("missing-option", at, format_args!("{what}"), None);
        }
    }
}

/// An option or a key that a record does not have.
fn unknown(record: &'static Record, key: &str, place: &str, kind: &str) -> CallError {
    let names = record.fields.iter().filter(|f| !matches!(f.ty, Type::Refused(_)));
    let mut candidates: Vec<(&str, &str)> = Vec::new();
    for field in names.clone() {
        candidates.push((field.name, field.name));
        candidates.extend(field.aliases.iter().chain(field.near).map(|other| (*other, field.name)));
    }
    // What people write elsewhere may be in the table letter by letter.
    let exact = candidates.iter().find(|(written, _)| *written == key);
    let near = exact.or_else(|| {
        let name = nearest(key, candidates.iter().map(|(written, _)| *written))?;
        candidates.iter().find(|(written, _)| *written == name)
    });
    let shown: String = key.chars().take(60).flat_map(char::escape_debug).collect();
    let mut message = format!("unknown {kind} `{shown}` {place}");
    let mut hint = None;
    match near {
        Some((_, name)) => message = format!("{message}; did you mean `{name}`?"),
        None if record.fields.is_empty() => {}
        None => {
            let known: Vec<String> = names.map(|f| format!("`{}`", f.name)).collect();
            hint = Some(format!("known: {}", known.join(", ")));
        }
    }
    let mut error = CallError::new("unknown-option", message);
    error.hint = hint;
    error
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => quoted(&text.to_string_lossy()),
        Value::Integer(n) => n.to_string(),
        Value::Number(n) => n.to_string(),
        Value::Boolean(b) => b.to_string(),
        other => format!("({})", type_name(other)),
    }
}
