//! Loops that go through a table by themselves: `for key, value in t do`, without `pairs`.
//!
//! Luau goes through the table's own memory there, and asks nobody. Where objects are keys, its order differs from run
//! to run. So what such a loop goes through is handed to a function first, `in_order` of `bootstrap.luau`: in the text
//! that is compiled, not in the one that is shown. Lines stay what they are.

use std::collections::BTreeSet;
use std::ops::Range;

use luakit_diagnostic::SourceFile;
use mlua::{Function, Lua, Table};

use super::locate::Tokens;
use super::text::compiler;

/// What the function is called in the text. It is a local of the text, so that no script's globals hold it.
const NAME: &str = "__luakit_in_order";

/// Where the function is kept.
const KEY: &str = "luakit.in_order";

/// Keeps the function that loops ask.
pub(super) fn install(lua: &Lua, host: &Table) -> mlua::Result<()> {
    lua.set_named_registry_value(KEY, host.raw_get::<Function>("in_order")?)
}

/// How much text is compiled, at most, to find the loops that can't ask.
const MOST: usize = 16 << 20;

/// The text compiled with its loops asking, if it has any: a function that takes who is asked, and returns the text's
/// own. `plain` is the text's bytecode as it is.
///
/// A loop that can't ask is left as it is, and the others ask nevertheless.
pub(super) fn asking(text: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    // Most texts have no loop; many have `format`, and no keyword goes on with an `m`.
    let may_loop = text
        .windows(4)
        .any(|word| word.starts_with(b"for") && !word.ends_with(b"m"));
    if !may_loop {
        return None;
    }
    // For Luau a text ends with its first zero byte, so what is put behind it must stand before that.
    let text = text.split(|b| *b == 0).next()?;
    let loops = Tokens::with_sections(SourceFile::new("", text)).loops();
    if loops.is_empty() {
        return None;
    }
    let mut tries = (MOST / text.len().max(1)).clamp(4, 64);
    let mut asked: Vec<Range<usize>> = Vec::new();
    let mut compiled = None;
    // All at once, nearly always; else half by half, until those that can't ask are alone.
    let mut groups = vec![loops];
    while let Some(mut group) = groups.pop() {
        let Some(left) = tries.checked_sub(1) else { break };
        tries = left;
        let all: Vec<Range<usize>> = asked.iter().chain(&group).cloned().collect();
        if let Some(bytecode) = compile(text, &all, plain) {
            asked = all;
            compiled = Some(bytecode);
        } else if group.len() > 1 {
            groups.push(group.split_off(group.len() / 2));
            groups.push(group);
        }
    }
    compiled
}

/// The bytecode of a text whose `loops` ask, unless it doesn't compile or says other strings than the text does.
fn compile(text: &[u8], loops: &[Range<usize>], plain: &[u8]) -> Option<Vec<u8>> {
    let compiled = compiler().compile(written(text, loops)?).ok()?;
    let same = says_no_more(&compiled, plain)?
        // What `--!optimize` asks for at a text's begin doesn't count in what is written.
        || says_no_more(&compiled, &compiler().compile(written(text, &[])?).ok()?)?;
    same.then_some(compiled)
}

/// The text with `loops` asking.
fn written(text: &[u8], loops: &[Range<usize>]) -> Option<Vec<u8>> {
    let mut places: Vec<(usize, String)> = Vec::new();
    for through in loops {
        places.push((through.start, format!(" {NAME}(")));
        places.push((through.end, ") ".to_owned()));
    }
    places.sort_by_key(|(at, _)| *at);
    let mut written = format!("local {NAME} = ... return function(...) ").into_bytes();
    let mut from = 0;
    for (at, insert) in places {
        written.extend_from_slice(text.get(from..at)?);
        written.extend_from_slice(insert.as_bytes());
        from = at;
    }
    written.extend_from_slice(text.get(from..)?);
    written.extend_from_slice(b"\nend");
    Some(written)
}

/// Whether bytecode has no strings but another's. If one of the inserted pieces ever stood in a string, that string
/// would be another: so this holds whatever the lexer takes for code.
fn says_no_more(compiled: &[u8], than: &[u8]) -> Option<bool> {
    let mut known = strings(than)?;
    known.insert(NAME.as_bytes());
    Some(strings(compiled)?.is_subset(&known))
}

/// The strings of bytecode, names among them: after two bytes of versions their count, then the length and the bytes of
/// each (`BytecodeBuilder::finalize` of Luau).
fn strings(bytecode: &[u8]) -> Option<BTreeSet<&[u8]>> {
    let mut rest = bytecode.get(2..)?;
    let count = number(&mut rest)?;
    let mut strings = BTreeSet::new();
    for _ in 0..count {
        let length = number(&mut rest)?;
        let (string, after) = rest.split_at_checked(length)?;
        strings.insert(string);
        rest = after;
    }
    Some(strings)
}

/// A number of bytecode: seven bits a byte, the lowest first.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    for place in 0..5 {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// The text's own function, of what [`asking`] gave.
pub(super) fn own(lua: &Lua, asking: &Function) -> mlua::Result<Function> {
    asking.call(lua.named_registry_value::<Function>(KEY)?)
}

#[cfg(test)]
mod tests {
    use super::{Range, asking, compile, compiler};

    fn loops(text: &str, of: &[&str]) -> Vec<Range<usize>> {
        let place = |part: &&str| text.find(*part).map(|at| at..at + part.len());
        of.iter().filter_map(place).collect()
    }

    #[test]
    fn what_would_change_a_string_is_refused() {
        for text in [
            "return \"for x in y do\"",
            "return 'for x in y do'",
            "return `for x in y do`",
            "return [[for x in y do]]",
            "return [==[for x in y do]==]",
            "return `{1}for x in y do{2}`",
        ] {
            let plain = compiler().compile(text).unwrap();
            assert_eq!(compile(text.as_bytes(), &loops(text, &["y"]), &plain), None, "{text}");
            assert_eq!(asking(text.as_bytes(), &plain), None, "{text}");
        }
        // One piece in a comment, the other in a string.
        let text = "--y\nf('z')";
        let plain = compiler().compile(text).unwrap();
        let across = 2..text.find('z').unwrap();
        assert_eq!(compile(text.as_bytes(), &[across], &plain), None);
        let text = "for x in y do end";
        let plain = compiler().compile(text).unwrap();
        assert!(compile(text.as_bytes(), &loops(text, &["y"]), &plain).is_some());
    }
}
