//! Splits the text of a schema into words, numbers and signs; comments and blanks go away.

use super::{ParseError, ParseFault};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name, with dots inside if it names a type in another: `Person.Phone`.
    Name(&'a str),
    Number(&'a str),
    Sign(char),
    End,
}

/// The rest of a text, one token ahead.
pub(super) struct Lexer<'a> {
    rest: &'a str,
    /// Of the token that comes next.
    line: u32,
    file: &'a str,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, file: &'a str) -> Lexer<'a> {
        let mut lexer = Lexer { rest: text, line: 1, file };
        lexer.skip_blanks();
        lexer
    }

    /// The line of the next token, from 1.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    pub(super) fn error(&self, line: u32, fault: ParseFault) -> ParseError {
        ParseError { file: self.file.to_owned(), line, fault }
    }

    /// The next token, which stays.
    pub(super) fn peek(&self) -> Token<'a> {
        self.token().0
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        let (token, size) = self.token();
        self.rest = &self.rest[size..];
        self.skip_blanks();
        token
    }

    fn token(&self) -> (Token<'a>, usize) {
        let rest = self.rest;
        let Some(first) = rest.chars().next() else { return (Token::End, 0) };
        if first.is_ascii_digit() {
            let size = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            return (Token::Number(&rest[..size]), size);
        }
        match name_size(rest) {
            0 => (Token::Sign(first), first.len_utf8()),
            size => (Token::Name(&rest[..size]), size),
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            let first = self.rest.chars().next();
            let size = match first {
                Some('\n') => {
                    self.line += 1;
                    1
                }
                Some(' ' | '\t' | '\r') => 1,
                Some('#') => self.rest.find('\n').unwrap_or(self.rest.len()),
                _ => return,
            };
            self.rest = &self.rest[size..];
        }
    }
}

/// The size of the name that a text begins with; 0 if it begins with none.
fn name_size(text: &str) -> usize {
    let word_size = |text: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = text.starts_with(|c: char| is_part(c) && !c.is_ascii_digit());
        if starts { text.find(|c| !is_part(c)).unwrap_or(text.len()) } else { 0 }
    };
    let mut size = word_size(text);
    while size > 0 && text[size..].starts_with('.') {
        match word_size(&text[size + 1..]) {
            0 => break,
            more => size += more + 1,
        }
    }
    size
}
