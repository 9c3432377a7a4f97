//! Texts that captures build: of substitutions, where captures inside give way to their values, and
//! of string captures, whose templates name captures inside. They count as memory of the VM while
//! they grow.

use std::ops::Range;

use super::{BYTES_PER_MARK, Counted, Reader};
use crate::api::lpeg::machine::MarkKind;
use crate::api::lpeg::tree::Capture;
use crate::vm::{CountedBytes, Kind, Raise, Stack};

/// Room for a text that is kept for the next one.
const SPARE_LIMIT_BYTES: usize = 4096;

/// What a string capture may refer to: `%0` to `%9`.
const ENTRIES_LIMIT: usize = 10;

impl<'vm> Reader<'_, 'vm> {
    /// For a text that is to be built.
    fn room(&mut self, stack: &Stack<'vm>) -> CountedBytes<'vm> {
        self.spare.take().unwrap_or_else(|| CountedBytes::new(stack))
    }

    /// Pushes a text that was built.
    pub(super) fn push_text(
        &mut self,
        stack: &mut Stack<'vm>,
        mut text: CountedBytes<'vm>,
    ) -> Counted {
        stack.push_bytes(&text);
        self.spend(stack, 1 + text.len() / BYTES_PER_MARK)?;
        if text.room() <= SPARE_LIMIT_BYTES {
            text.clear();
            self.spare = Some(text);
        }
        Ok(1)
    }

    /// The text of a substitution: captures inside give way to their values.
    pub(super) fn substitution(
        &mut self,
        stack: &mut Stack<'vm>,
    ) -> Result<CountedBytes<'vm>, Raise> {
        self.enter(stack)?;
        let (mut text, mut begin) = (self.room(stack), self.marks[self.next].place);
        self.next += 1;
        while !self.is_close() {
            let place = self.marks[self.next].place;
            self.copy(stack, &mut text, begin..place)?;
            begin = if self.add_text(stack, &mut text, "replacement")? {
                self.marks[self.next - 1].place
            } else {
                place // without a value the text stays
            };
        }
        let end = self.close();
        self.copy(stack, &mut text, begin..end)?;
        self.depth -= 1;
        Ok(text)
    }

    fn copy(
        &self,
        stack: &mut Stack<'vm>,
        text: &mut CountedBytes<'vm>,
        part: Range<u32>,
    ) -> Result<(), Raise> {
        let part = part.start as usize..part.end as usize;
        text.extend_part(stack, self.places.subject, part)
    }

    /// Appends the first value of the next capture; false if it has none.
    fn add_text(
        &mut self,
        stack: &mut Stack<'vm>,
        text: &mut CountedBytes<'vm>,
        what: &str,
    ) -> Result<bool, Raise> {
        let count = self.one(stack, 0)?;
        if count == 0 {
            return Ok(false);
        }
        stack.pop(count - 1);
        match stack.kind(-1) {
            Kind::String => text.extend_string(stack, -1)?,
            Kind::Number => {
                let number = stack.text(-1);
                text.extend(stack, number.as_bytes())?;
            }
            other => {
                let message = format!("invalid {what} value (a {})", other.name());
                return Err(Raise::message(message));
            }
        }
        stack.pop(1);
        Ok(true)
    }

    /// The text of a string capture: `%0` stands for the whole, `%1` to `%9` for captures inside.
    pub(super) fn string(
        &mut self,
        stack: &mut Stack<'vm>,
        place: u32,
    ) -> Result<CountedBytes<'vm>, Raise> {
        self.enter(stack)?;
        let mut entries = Vec::new();
        self.list_entries(stack, &mut entries)?;
        let behind = self.next;
        self.value(stack, place);
        let template = stack.top();
        let (mut text, mut done) = (self.room(stack), 0);
        while let Some(piece) = next_piece(stack.bytes(template).unwrap_or_default(), done) {
            self.spend(stack, 1)?;
            done = match piece {
                Piece::Text(part) => {
                    let end = part.end;
                    text.extend_part(stack, template, part)?;
                    end
                }
                Piece::Escaped(place) => {
                    text.extend_part(stack, template, place..place + 1)?;
                    place + 1
                }
                Piece::Entry(number) => {
                    self.add_entry(stack, &mut text, &entries, number)?;
                    done + 2
                }
            };
        }
        stack.pop(1);
        self.next = behind;
        self.depth -= 1;
        Ok(text)
    }

    /// Lists what a string capture may refer to, and passes it: itself, and each capture inside;
    /// those inside plain captures, too.
    fn list_entries(
        &mut self,
        stack: &mut Stack<'vm>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Raise> {
        let (begin, number) = (self.marks[self.next].place, entries.len());
        entries.push(Entry::Text(begin..begin));
        self.next += 1;
        while !self.is_close() {
            let is_full = entries.len() == ENTRIES_LIMIT;
            if !is_full && self.marks[self.next].kind == MarkKind::Open(Capture::Simple) {
                self.list_entries(stack, entries)?;
                continue;
            }
            if !is_full {
                entries.push(Entry::Capture(self.next));
            }
            self.skip(stack)?;
        }
        let end = self.close();
        entries[number] = Entry::Text(begin..end);
        Ok(())
    }

    fn add_entry(
        &mut self,
        stack: &mut Stack<'vm>,
        text: &mut CountedBytes<'vm>,
        entries: &[Entry],
        number: usize,
    ) -> Result<(), Raise> {
        let invalid =
            || Raise::message(format!("invalid capture index ({number}) in replacement string"));
        match entries.get(number).ok_or_else(invalid)? {
            Entry::Text(part) => self.copy(stack, text, part.clone())?,
            Entry::Capture(mark) => {
                self.next = *mark;
                if !self.add_text(stack, text, "capture")? {
                    let message = format!("no values in capture index {number}");
                    return Err(Raise::message(message));
                }
            }
        }
        Ok(())
    }
}

/// What `%1` may stand for.
enum Entry {
    Text(Range<u32>),
    /// A capture, by its mark.
    Capture(usize),
}

/// A piece of the template of a string capture.
enum Piece {
    /// Text as it stands there.
    Text(Range<usize>),
    /// The byte at this place, after a `%`.
    Escaped(usize),
    Entry(usize),
}

/// The piece that begins at `begin`; none at the end.
fn next_piece(template: &[u8], begin: usize) -> Option<Piece> {
    let rest = template.get(begin..)?;
    match (rest.first()?, rest.get(1)) {
        (b'%', Some(digit @ b'0'..=b'9')) => Some(Piece::Entry(usize::from(digit - b'0'))),
        (b'%', Some(_)) => Some(Piece::Escaped(begin + 1)),
        _ => {
            // A `%` at the very end is text.
            let length =
                rest[1..].iter().position(|&byte| byte == b'%').map_or(rest.len(), |at| at + 1);
            Some(Piece::Text(begin..begin + length))
        }
    }
}
