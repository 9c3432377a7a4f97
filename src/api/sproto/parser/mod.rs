//! The schema language: from text to a [`Schema`].
//!
//! ```text
//! schema   := (type | protocol)*
//! type     := "." name "{" (field | type)* "}"
//! field    := name tag ":" ["*"] typename ["(" [name | digits] ")"]
//! protocol := name tag "{" (("request" | "response") (typename | "nil" | "{" (field | type)* "}"))* "}"
//! ```
//!
//! `*T(key)` is a list found by a field of its structs, `*T()` a map of structs with two fields,
//! `integer(2)` a number with two digits behind the point. `#` begins a comment.

mod lexer;
mod resolve;

use lexer::{Lexer, Token};

use super::schema::{Schema, SchemaFault};

/// Types may be defined inside each other this deep.
const NESTING_LIMIT: usize = 32;

/// What is wrong with a schema's text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at [{file}] line ({line})")]
pub(super) struct ParseError {
    file: String,
    line: u32,
    fault: ParseFault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
enum ParseFault {
    #[error("syntax error: {expected} expected, found {found}")]
    Syntax { expected: &'static str, found: String },
    #[error("syntax error: types are defined more than {NESTING_LIMIT} deep")]
    Nesting,
    #[error("redefined {0}")]
    Redefined(String),
    #[error("redefine {what} in type {owner}: it has such a field already")]
    RedefinedField { what: String, owner: String },
    #[error("Undefined type {name} in {place}")]
    Undefined { name: String, place: String },
    #[error("only a list can have a key, which field {0} is not")]
    KeyWithoutList(String),
    #[error("the type of field {0} has no such key")]
    UnknownKey(String),
    #[error(transparent)]
    Schema(#[from] SchemaFault),
}

/// A type as it stands in the text, under its full name.
struct DraftType {
    name: String,
    fields: Vec<DraftField>,
    line: u32,
}

struct DraftField {
    name: String,
    tag: u32,
    is_list: bool,
    type_name: String,
    bracket: Option<Bracket>,
    line: u32,
}

/// What stands in brackets behind a type.
enum Bracket {
    Empty,
    Key(String),
    Digits(u32),
}

struct DraftProtocol {
    name: String,
    tag: u32,
    request: Option<String>,
    response: Option<String>,
    line: u32,
}

/// The type name that stands for no content.
const NOTHING: &str = "nil";

/// Reads a text; `file` is what messages call it.
pub(super) fn parse(text: &str, file: &str) -> Result<Schema, ParseError> {
    let mut parser =
        Parser { lexer: Lexer::new(text, file), types: Vec::new(), protocols: Vec::new() };
    loop {
        match parser.lexer.peek() {
            Token::End => break,
            Token::Sign('.') => parser.type_definition("", 0)?,
            _ => parser.protocol()?,
        }
    }
    let Parser { lexer, types, protocols } = parser;
    resolve::resolve(types, protocols).map_err(|(line, fault)| lexer.error(line, fault))
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    types: Vec<DraftType>,
    protocols: Vec<DraftProtocol>,
}

type Parsed<T> = Result<T, ParseError>;

impl<'a> Parser<'a> {
    /// `.name { ... }` inside the type `outer`, whose name is empty at the top.
    fn type_definition(&mut self, outer: &str, depth: usize) -> Parsed<()> {
        let line = self.lexer.line();
        self.sign('.', "'.'")?;
        let name = self.plain_name("the name of a type")?;
        let name = if outer.is_empty() { name.to_owned() } else { format!("{outer}.{name}") };
        self.body(name, line, depth)
    }

    /// `{ fields and types }`, the body of the type `name`.
    fn body(&mut self, name: String, line: u32, depth: usize) -> Parsed<()> {
        if depth == NESTING_LIMIT {
            return Err(self.lexer.error(line, ParseFault::Nesting));
        }
        self.sign('{', "'{'")?;
        let mut fields = Vec::new();
        loop {
            match self.lexer.peek() {
                Token::Sign('}') => break,
                Token::Sign('.') => self.type_definition(&name, depth + 1)?,
                _ => fields.push(self.field()?),
            }
        }
        self.lexer.next();
        self.types.push(DraftType { name, fields, line });
        Ok(())
    }

    fn field(&mut self) -> Parsed<DraftField> {
        let line = self.lexer.line();
        let name = self.plain_name("a field, a type or '}'")?.to_owned();
        let tag = self.number("a tag")?;
        self.sign(':', "':'")?;
        let is_list = self.lexer.peek() == Token::Sign('*');
        if is_list {
            self.lexer.next();
        }
        let type_name = self.name("the name of a type")?.to_owned();
        let bracket = self.bracket()?;
        Ok(DraftField { name, tag, is_list, type_name, bracket, line })
    }

    fn bracket(&mut self) -> Parsed<Option<Bracket>> {
        if self.lexer.peek() != Token::Sign('(') {
            return Ok(None);
        }
        self.lexer.next();
        let bracket = match self.lexer.peek() {
            Token::Sign(')') => Bracket::Empty,
            Token::Number(_) => Bracket::Digits(self.number("digits")?),
            _ => Bracket::Key(self.plain_name("the name of a key, digits or ')'")?.to_owned()),
        };
        self.sign(')', "')'")?;
        Ok(Some(bracket))
    }

    fn protocol(&mut self) -> Parsed<()> {
        let line = self.lexer.line();
        let name = self.plain_name("a type or a protocol")?.to_owned();
        let tag = self.number("the tag of a protocol")?;
        self.sign('{', "'{'")?;
        let mut protocol = DraftProtocol { name, tag, request: None, response: None, line };
        loop {
            let line = self.lexer.line();
            let (part, place) = match self.lexer.next() {
                Token::Sign('}') => break,
                Token::Name(part @ "request") => (part, &mut protocol.request),
                Token::Name(part @ "response") => (part, &mut protocol.response),
                found => {
                    return Err(self.unexpected(line, "request, response or '}'", found));
                }
            };
            let full_name = format!("{}.{part}", protocol.name);
            if place.is_some() {
                return Err(self.lexer.error(line, ParseFault::Redefined(full_name)));
            }
            *place = Some(self.content(full_name)?);
        }
        self.protocols.push(protocol);
        Ok(())
    }

    /// The name of a type, or a type of its own that gets the name `full_name`.
    fn content(&mut self, full_name: String) -> Parsed<String> {
        if self.lexer.peek() == Token::Sign('{') {
            self.body(full_name.clone(), self.lexer.line(), 0)?;
            return Ok(full_name);
        }
        Ok(self.name("the name of a type or '{'")?.to_owned())
    }

    fn sign(&mut self, sign: char, expected: &'static str) -> Parsed<()> {
        let line = self.lexer.line();
        match self.lexer.next() {
            Token::Sign(found) if found == sign => Ok(()),
            found => Err(self.unexpected(line, expected, found)),
        }
    }

    fn name(&mut self, expected: &'static str) -> Parsed<&'a str> {
        let line = self.lexer.line();
        match self.lexer.next() {
            Token::Name(name) => Ok(name),
            found => Err(self.unexpected(line, expected, found)),
        }
    }

    /// A name without dots.
    fn plain_name(&mut self, expected: &'static str) -> Parsed<&'a str> {
        let line = self.lexer.line();
        let name = self.name(expected)?;
        if name.contains('.') {
            return Err(self.unexpected(line, "a name without dots", Token::Name(name)));
        }
        Ok(name)
    }

    fn number(&mut self, expected: &'static str) -> Parsed<u32> {
        let line = self.lexer.line();
        let found = self.lexer.next();
        let number = match found {
            Token::Number(digits) => digits.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.unexpected(line, expected, found))
    }

    fn unexpected(&self, line: u32, expected: &'static str, found: Token<'_>) -> ParseError {
        let found = match found {
            Token::Name(text) | Token::Number(text) => format!("'{text}'"),
            Token::Sign(sign) => format!("'{sign}'"),
            Token::End => "the end".to_owned(),
        };
        self.lexer.error(line, ParseFault::Syntax { expected, found })
    }
}
