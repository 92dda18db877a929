//! A script's tokens, for finding columns. Lua tells lines only.
//!
//! Flat and linear: nothing calls itself, so no text can exhaust the stack, and a text that is no Lua still gives
//! tokens. Comments are left out. Where a text is Lua, strings and comments begin and end where Luau's own lexer
//! (`Ast/src/Lexer.cpp`) has them: other text is put between tokens, and passwords are hidden by them.

use super::text::directives;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Name,
    /// A string of any form, an interpolated one included; of [`sections`], a part of such a one.
    Text,
    Number,
    /// Punctuation: one token for `==`, `..`, `::` and the like.
    Punct,
}

/// A token's place in its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// The line of its start, from 1.
    pub(super) line: u32,
}

/// Longest first.
const LONG_PUNCT: &[&[u8]] = &[
    b"...", b"..=", b"//=", b"==", b"~=", b"<=", b">=", b"..", b"::", b"->", b"//", b"+=", b"-=", b"*=", b"/=", b"%=",
    b"^=",
];

/// All tokens of a text. An interpolated string is one token, with all that is in its braces.
pub(super) fn tokens(text: &[u8]) -> Vec<Token> {
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    while let Some(mut token) = lexer.next() {
        while !lexer.braces.is_empty() {
            if lexer.next().is_none() {
                break;
            }
            token.end = lexer.at;
        }
        tokens.push(token);
    }
    tokens
}

/// All tokens of a text, with those in the braces of interpolated strings. Of such a string each part is a token:
/// `` `a { ``, `} b {` and `` } c` ``.
pub(super) fn sections(text: &[u8]) -> Vec<Token> {
    let mut lexer = Lexer::new(text);
    std::iter::from_fn(|| lexer.next()).collect()
}

/// Who opened a brace. Those outside of interpolated strings aren't kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brace {
    Interpolated,
    Code,
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    line: u32,
    braces: Vec<Brace>,
}

impl<'t> Lexer<'t> {
    fn new(text: &'t [u8]) -> Self {
        // Luau's text ends with the first zero byte.
        let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
        let mut lexer = Self {
            text: text.get(..end).unwrap_or_default(),
            at: 0,
            line: 1,
            braces: Vec::new(),
        };
        if text.starts_with(b"\xef\xbb\xbf") {
            lexer.at = 3;
        }
        lexer.advance(directives(lexer.rest()));
        lexer
    }
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<Token> {
        loop {
            self.skip_while(is_space);
            if !self.rest().starts_with(b"--") {
                break;
            }
            self.advance(2);
            match self.long_bracket() {
                Some(level) => self.long_text(level),
                None => self.skip_while(|b| !matches!(b, b'\n' | b'\r')),
            }
        }
        let (start, line) = (self.at, self.line);
        let kind = match self.peek(0)? {
            quote @ (b'"' | b'\'' | b'`') => {
                self.advance(1);
                self.quoted(quote);
                Kind::Text
            }
            b'}' if self.braces.pop() == Some(Brace::Interpolated) => {
                self.advance(1);
                self.quoted(b'`');
                Kind::Text
            }
            b'{' => {
                if !self.braces.is_empty() {
                    self.braces.push(Brace::Code);
                }
                self.punct()
            }
            b'[' => match self.long_bracket() {
                Some(level) => {
                    self.long_text(level);
                    Kind::Text
                }
                None => self.punct(),
            },
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|b| b.is_ascii_digit()) => self.number(),
            byte if is_name(byte) => {
                self.skip_while(is_name);
                Kind::Name
            }
            _ => self.punct(),
        };
        Some(Token {
            kind,
            start,
            end: self.at,
            line,
        })
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some(b'\n') {
                self.line += 1;
            }
            self.at = (self.at + 1).min(self.text.len());
        }
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&accept) {
            self.advance(1);
        }
    }

    /// An exponent's sign comes after a decimal number's `e` only: `0xe--x` is a number and a comment.
    fn number(&mut self) -> Kind {
        while let Some(byte) = self.peek(0) {
            let concat = byte == b'.' && self.peek(1) == Some(b'.');
            if concat || !(byte.is_ascii_digit() || matches!(byte, b'.' | b'_')) {
                break;
            }
            self.advance(1);
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            self.advance(1);
            if matches!(self.peek(0), Some(b'+' | b'-')) {
                self.advance(1);
            }
        }
        self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        Kind::Number
    }

    fn punct(&mut self) -> Kind {
        let long = LONG_PUNCT.iter().find(|p| self.rest().starts_with(p));
        self.advance(long.map_or(1, |p| p.len()));
        Kind::Punct
    }

    /// How many `=` a long bracket that opens here has.
    fn long_bracket(&self) -> Option<usize> {
        let rest = self.rest().strip_prefix(b"[")?;
        let level = rest.iter().take_while(|b| **b == b'=').count();
        (rest.get(level) == Some(&b'[')).then_some(level)
    }

    fn long_text(&mut self, level: usize) {
        self.advance(level + 2);
        loop {
            match self.peek(0) {
                None => return,
                Some(b']') => {
                    let equals = self.rest().iter().skip(1).take_while(|b| **b == b'=').count();
                    if equals == level && self.peek(level + 1) == Some(b']') {
                        self.advance(level + 2);
                        return;
                    }
                    self.advance(1);
                }
                Some(_) => self.advance(1),
            }
        }
    }

    /// A quoted text after its quote, to its end, or to the brace where code begins. An unfinished one ends with its
    /// line, as it does for Lua.
    fn quoted(&mut self, quote: u8) {
        let interpolated = quote == b'`';
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' if self.rest().starts_with(b"\\z") => {
                    self.advance(2);
                    self.skip_while(is_space);
                }
                b'\\' if self.rest().starts_with(b"\\\r\n") => self.advance(3),
                b'\\' if interpolated && self.rest().starts_with(b"\\u{") => self.advance(3),
                b'\\' => self.advance(2),
                b'\n' | b'\r' => return,
                b'{' if interpolated => {
                    self.braces.push(Brace::Interpolated);
                    self.advance(1);
                    return;
                }
                _ => {
                    self.advance(1);
                    if byte == quote {
                        return;
                    }
                }
            }
        }
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::{sections, tokens};

    fn check(text: &str, expect: &[(&str, u32)]) {
        let seen: Vec<(&str, u32)> = tokens(text.as_bytes())
            .iter()
            .map(|t| (&text[t.start..t.end], t.line))
            .collect();
        assert_eq!(seen, expect, "{text}");
    }

    #[test]
    fn tokens_of_every_form() {
        check(
            "a.b:c(1)",
            &[
                ("a", 1),
                (".", 1),
                ("b", 1),
                (":", 1),
                ("c", 1),
                ("(", 1),
                ("1", 1),
                (")", 1),
            ],
        );
        check(
            "x = 0x1F..\"a\\\"b\" -- note\n+ 1e-5",
            &[
                ("x", 1),
                ("=", 1),
                ("0x1F", 1),
                ("..", 1),
                ("\"a\\\"b\"", 1),
                ("+", 2),
                ("1e-5", 2),
            ],
        );
        check("[==[ ]] \n ]==] --[[ x \n y ]] z", &[("[==[ ]] \n ]==]", 1), ("z", 3)]);
        check("#!/usr/bin/env luakit\nf{}", &[("f", 2), ("{", 2), ("}", 2)]);
        check("\u{feff}#!x\n# syntax=a\n# check=b\n\n#f", &[("#", 5), ("f", 5)]);
        check("`a {b} c`..'it'", &[("`a {b} c`", 1), ("..", 1), ("'it'", 1)]);
        check("'open\nnext", &[("'open", 1), ("next", 2)]);
        check("`open\nnext", &[("`open", 1), ("next", 2)]);
        check("[[never ends", &[("[[never ends", 1)]);
    }

    #[test]
    fn strings_end_where_luau_ends_them() {
        check("'a\\\r\nb'c", &[("'a\\\r\nb'", 1), ("c", 2)]);
        check("'a\\z \r\n\x0b b'c", &[("'a\\z \r\n\x0b b'", 1), ("c", 2)]);
        check("-- it's\rx", &[("x", 1)]);
        check("0xe--it's\n1e-5", &[("0xe", 1), ("1e-5", 2)]);
        check("x\0'y", &[("x", 1)]);
        check("`a{\"`\"}b`c", &[("`a{\"`\"}b`", 1), ("c", 1)]);
        check("`{f(`{ {1} }}`)}`c", &[("`{f(`{ {1} }}`)}`", 1), ("c", 1)]);
        check("`\\u{41}\\{`c", &[("`\\u{41}\\{`", 1), ("c", 1)]);
        check("`{\n1}`c", &[("`{\n1}`", 1), ("c", 2)]);
        check("`{x", &[("`{x", 1)]);
        let text = "`a{ {b} }c{`d`}`";
        let seen: Vec<&str> = sections(text.as_bytes())
            .iter()
            .map(|t| &text[t.start..t.end])
            .collect();
        assert_eq!(seen, ["`a{", "{", "b", "}", "}c{", "`d`", "}`"]);
    }
}
