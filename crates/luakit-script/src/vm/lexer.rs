//! A script's tokens, for finding columns. Lua tells lines only.
//!
//! Flat and linear: nothing nests, so no text can exhaust the stack, and a text that is no Lua still gives
//! tokens. Comments are left out.

use super::text::directives;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Name,
    /// A string of any form, an interpolated one included.
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

/// All tokens of a text.
pub(super) fn tokens(text: &[u8]) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    if text.starts_with(b"\xef\xbb\xbf") {
        lexer.at = 3;
    }
    lexer.advance(directives(lexer.rest()));
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next() {
        tokens.push(token);
    }
    tokens
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    line: u32,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<Token> {
        loop {
            self.skip_while(|b| b.is_ascii_whitespace() || b == 0x0b);
            if !self.rest().starts_with(b"--") {
                break;
            }
            self.advance(2);
            match self.long_bracket() {
                Some(level) => self.long_text(level),
                None => self.skip_while(|b| b != b'\n'),
            }
        }
        let (start, line) = (self.at, self.line);
        let kind = match self.peek(0)? {
            b'"' | b'\'' | b'`' => {
                self.quoted();
                Kind::Text
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

    fn number(&mut self) -> Kind {
        let mut last = 0;
        while let Some(byte) = self.peek(0) {
            let exponent_sign = matches!(byte, b'+' | b'-') && matches!(last, b'e' | b'E' | b'p' | b'P');
            let concat = byte == b'.' && self.peek(1) == Some(b'.');
            if concat || !(byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || exponent_sign) {
                break;
            }
            last = byte;
            self.advance(1);
        }
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

    /// A quoted text, to its end. An unfinished one ends with its line, as it does for Lua.
    fn quoted(&mut self) {
        let quote = self.peek(0);
        self.advance(1);
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' if self.rest().starts_with(b"\\z") => {
                    self.advance(2);
                    self.skip_while(|b| b.is_ascii_whitespace());
                }
                b'\\' => self.advance(2),
                b'\n' if quote != Some(b'`') => return,
                _ => {
                    self.advance(1);
                    if Some(byte) == quote {
                        return;
                    }
                }
            }
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::tokens;

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
        check("[[never ends", &[("[[never ends", 1)]);
    }
}
