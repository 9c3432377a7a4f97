//! From the marks that a match has left to the values that scripts get.

use std::ffi::c_int;

use super::machine::{Mark, MarkKind, opening};
use super::tree::{Capture, Leaf};
use crate::vm::{Kind, Raise, Stack};

/// Captures may stand inside each other this deep.
const NESTING_LIMIT: usize = 200;

/// Values on the stack for one level of nesting.
const SLOTS_PER_LEVEL: c_int = 10;

/// Where the parts of a match stand on the stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) subject: c_int,
    /// The list of the pattern's values.
    pub(super) values: c_int,
    /// The list of the values that functions gave while matching.
    pub(super) given: c_int,
    /// The first extra argument, and how many there are.
    pub(super) extra: c_int,
    pub(super) extra_count: c_int,
}

/// Walks marks and pushes their values.
pub(super) struct Reader<'m> {
    pub(super) marks: &'m [Mark],
    /// The next mark.
    pub(super) next: usize,
    pub(super) places: Places,
    pub(super) depth: usize,
}

type Counted = Result<c_int, Raise>;

impl Reader<'_> {
    /// Pushes the values of all marks up to the end.
    pub(super) fn all(&mut self, stack: &mut Stack<'_>) -> Counted {
        let mut count = 0;
        while self.next < self.marks.len() {
            count += self.one(stack, count)?;
        }
        Ok(count)
    }

    /// Pushes the values inside the capture that opens next; the text it covers if there are none, or
    /// if `whole` asks for it as the last one.
    pub(super) fn nested(&mut self, stack: &mut Stack<'_>, whole: bool) -> Counted {
        self.enter(stack)?;
        let begin = self.marks[self.next].place;
        self.next += 1;
        let mut count = 0;
        while !self.is_close() {
            count += self.one(stack, count)?;
        }
        let end = self.close();
        if whole || count == 0 {
            stack.push_part(self.places.subject, begin as usize..end as usize);
            count += 1;
        }
        self.depth -= 1;
        Ok(count)
    }

    fn enter(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        if self.depth == NESTING_LIMIT {
            let message = format!("captures are nested more than {NESTING_LIMIT} deep");
            return Err(Raise::message(message));
        }
        self.depth += 1;
        stack.reserve(SLOTS_PER_LEVEL)
    }

    fn is_close(&self) -> bool {
        self.marks[self.next].kind == MarkKind::Close
    }

    /// Passes the close mark; where it stands.
    fn close(&mut self) -> u32 {
        self.next += 1;
        self.marks[self.next - 1].place
    }

    /// The same as [`Reader::nested`] for captures of which only the first value counts.
    fn first(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        let count = self.nested(stack, false)?;
        stack.pop(count - 1);
        Ok(())
    }

    /// Pushes the values of the next capture; `before` values of its neighbours are on top.
    fn one(&mut self, stack: &mut Stack<'_>, before: c_int) -> Counted {
        let capture = match self.marks[self.next].kind {
            MarkKind::Open(capture) => capture,
            MarkKind::Leaf(leaf) => return self.leaf(stack, leaf),
            MarkKind::Value(number) => {
                stack.raw_get_item(self.places.given, number.into());
                self.next += 1;
                return Ok(1);
            }
            MarkKind::Close | MarkKind::Runtime(_) => unreachable!("marks are balanced"),
        };
        match capture {
            Capture::Simple => {
                let count = self.nested(stack, true)?;
                stack.insert(-count);
                Ok(count)
            }
            Capture::Group(0) => self.nested(stack, false),
            Capture::Group(_) | Capture::Number(0) => {
                self.skip();
                Ok(0)
            }
            Capture::Table => self.table(stack),
            Capture::Substitution => {
                let text = self.substitution(stack)?;
                stack.push_bytes(&text);
                Ok(1)
            }
            Capture::String(place) => {
                let text = self.string(stack, place)?;
                stack.push_bytes(&text);
                Ok(1)
            }
            Capture::Number(number) => self.number(stack, number),
            Capture::Function(place) => {
                let base = stack.top();
                self.value(stack, place);
                let count = self.nested(stack, false)?;
                stack.call_or_raise(count, Stack::ALL)?;
                Ok(stack.top() - base)
            }
            Capture::Query(place) => self.query(stack, place),
            Capture::Fold(place) => self.fold(stack, place),
            Capture::Accumulator(place) => self.accumulate(stack, place, before),
        }
    }

    /// Pushes one of the pattern's values.
    fn value(&self, stack: &mut Stack<'_>, place: u32) {
        if place == 0 {
            stack.push_nil();
        } else {
            stack.raw_get_item(self.places.values, place.into());
        }
    }

    fn leaf(&mut self, stack: &mut Stack<'_>, leaf: Leaf) -> Counted {
        let mark = self.next;
        self.next += 1;
        match leaf {
            Leaf::Position => stack.push_integer(i64::from(self.marks[mark].place) + 1),
            Leaf::Constant(place) => self.value(stack, place),
            Leaf::Argument(number) => {
                let number = c_int::try_from(number).unwrap_or(c_int::MAX);
                if number > self.places.extra_count {
                    return Err(Raise::message(format!(
                        "reference to absent extra argument #{number}"
                    )));
                }
                stack.push_value(self.places.extra + number - 1);
            }
            Leaf::Back(place) => {
                self.next = self.find_group(stack, mark, place)?;
                let count = self.nested(stack, false);
                self.next = mark + 1;
                return count;
            }
        }
        Ok(1)
    }

    /// The last group with this name that is complete before `mark` and not inside another capture
    /// that is.
    fn find_group(&self, stack: &mut Stack<'_>, mark: usize, place: u32) -> Result<usize, Raise> {
        self.value(stack, place);
        let mut number = mark;
        while number > 0 {
            number -= 1;
            if self.marks[number].kind != MarkKind::Close {
                continue; // a leaf, or a capture around
            }
            number = opening(self.marks, number);
            if let MarkKind::Open(Capture::Group(name)) = self.marks[number].kind {
                self.value(stack, name);
                let is_same = stack.raw_equal(-1, -2);
                stack.pop(1);
                if is_same {
                    stack.pop(1);
                    return Ok(number);
                }
            }
        }
        let name = stack.text(-1);
        Err(Raise::message(format!("back reference '{name}' not found")))
    }

    /// Passes the next capture without its values.
    fn skip(&mut self) {
        let mut depth = 0;
        loop {
            match self.marks[self.next].kind {
                MarkKind::Open(_) | MarkKind::Runtime(_) => depth += 1,
                MarkKind::Close => depth -= 1,
                MarkKind::Leaf(_) | MarkKind::Value(_) => {}
            }
            self.next += 1;
            if depth == 0 {
                return;
            }
        }
    }

    fn table(&mut self, stack: &mut Stack<'_>) -> Counted {
        self.enter(stack)?;
        self.next += 1;
        stack.push_table(0, 0);
        let (table, mut count) = (stack.top(), 0);
        while !self.is_close() {
            if let MarkKind::Open(Capture::Group(name @ 1..)) = self.marks[self.next].kind {
                self.value(stack, name);
                self.first(stack)?;
                stack.raw_set(table);
                continue;
            }
            let values = self.one(stack, 0)?;
            for offset in (1..=values).rev() {
                stack.raw_set_item(table, count + i64::from(offset));
            }
            count += i64::from(values);
        }
        self.close();
        self.depth -= 1;
        Ok(1)
    }

    fn number(&mut self, stack: &mut Stack<'_>, number: u32) -> Counted {
        let base = stack.top();
        let count = self.nested(stack, false)?;
        let wanted = c_int::try_from(number).unwrap_or(c_int::MAX);
        if wanted > count {
            return Err(Raise::message(format!("no capture '{number}'")));
        }
        stack.push_value(base + wanted);
        stack.replace(base + 1);
        stack.set_top(base + 1);
        Ok(1)
    }

    fn query(&mut self, stack: &mut Stack<'_>, place: u32) -> Counted {
        self.first(stack)?;
        self.value(stack, place);
        stack.insert(-2);
        let table = stack.top() - 1;
        let found = stack.get(table)?;
        stack.remove(-2);
        if found == Kind::Nil {
            stack.pop(1);
            return Ok(0);
        }
        Ok(1)
    }

    fn fold(&mut self, stack: &mut Stack<'_>, place: u32) -> Counted {
        self.enter(stack)?;
        self.next += 1;
        let first = if self.is_close() { 0 } else { self.one(stack, 0)? };
        if first == 0 {
            return Err(Raise::message("no initial value for fold capture"));
        }
        stack.pop(first - 1);
        while !self.is_close() {
            self.value(stack, place);
            stack.insert(-2);
            let count = self.one(stack, 0)?;
            stack.call_or_raise(count + 1, 1)?;
        }
        self.close();
        self.depth -= 1;
        Ok(1)
    }

    /// Replaces the value before by what the function makes of it and of the values inside.
    fn accumulate(&mut self, stack: &mut Stack<'_>, place: u32, before: c_int) -> Counted {
        if before == 0 {
            return Err(Raise::message("no previous value for accumulator capture"));
        }
        self.value(stack, place);
        stack.insert(-2);
        let count = self.nested(stack, false)?;
        stack.call_or_raise(count + 1, 1)?;
        Ok(0)
    }

    /// The text of a substitution: captures inside give way to their values.
    fn substitution(&mut self, stack: &mut Stack<'_>) -> Result<Vec<u8>, Raise> {
        self.enter(stack)?;
        let (mut text, mut begin) = (Vec::new(), self.marks[self.next].place);
        self.next += 1;
        while !self.is_close() {
            let place = self.marks[self.next].place;
            self.copy(stack, &mut text, begin..place);
            begin = if self.add_text(stack, &mut text, "replacement")? {
                self.marks[self.next - 1].place
            } else {
                place // without a value the text stays
            };
        }
        let end = self.close();
        self.copy(stack, &mut text, begin..end);
        self.depth -= 1;
        Ok(text)
    }

    fn copy(&self, stack: &Stack<'_>, text: &mut Vec<u8>, part: std::ops::Range<u32>) {
        let subject = stack.bytes(self.places.subject).unwrap_or_default();
        text.extend_from_slice(&subject[part.start as usize..part.end as usize]);
    }

    /// Appends the first value of the next capture; false if it has none.
    fn add_text(
        &mut self,
        stack: &mut Stack<'_>,
        text: &mut Vec<u8>,
        what: &str,
    ) -> Result<bool, Raise> {
        let count = self.one(stack, 0)?;
        if count == 0 {
            return Ok(false);
        }
        stack.pop(count - 1);
        match stack.kind(-1) {
            Kind::String => text.extend_from_slice(stack.bytes(-1).unwrap_or_default()),
            Kind::Number => text.extend_from_slice(stack.text(-1).as_bytes()),
            other => {
                let message = format!("invalid {what} value (a {})", other.name());
                return Err(Raise::message(message));
            }
        }
        stack.pop(1);
        Ok(true)
    }

    /// The text of a string capture: `%0` stands for the whole, `%1` to `%9` for captures inside.
    fn string(&mut self, stack: &mut Stack<'_>, place: u32) -> Result<Vec<u8>, Raise> {
        self.enter(stack)?;
        self.value(stack, place);
        let template = stack.bytes(-1).unwrap_or_default().to_vec();
        stack.pop(1);
        let mut entries = Vec::new();
        self.list_entries(&mut entries);
        let behind = self.next;
        let mut text = Vec::with_capacity(template.len());
        let mut rest = template.iter();
        while let Some(&byte) = rest.next() {
            match (byte, rest.as_slice().first()) {
                (b'%', Some(b'0'..=b'9')) => {
                    let digit = usize::from(rest.next().map_or(0, |digit| digit - b'0'));
                    self.add_entry(stack, &mut text, &entries, digit)?;
                }
                (b'%', Some(&escaped)) => {
                    rest.next();
                    text.push(escaped);
                }
                _ => text.push(byte),
            }
        }
        self.next = behind;
        self.depth -= 1;
        Ok(text)
    }

    /// Lists what a string capture may refer to, and passes it: itself, and each capture inside; those
    /// inside plain captures, too.
    fn list_entries(&mut self, entries: &mut Vec<Entry>) {
        let (begin, number) = (self.marks[self.next].place, entries.len());
        entries.push(Entry::Text(begin..begin));
        self.next += 1;
        while !self.is_close() {
            if self.marks[self.next].kind == MarkKind::Open(Capture::Simple) {
                self.list_entries(entries);
            } else {
                entries.push(Entry::Capture(self.next));
                self.skip();
            }
        }
        let end = self.close();
        entries[number] = Entry::Text(begin..end);
    }

    fn add_entry(
        &mut self,
        stack: &mut Stack<'_>,
        text: &mut Vec<u8>,
        entries: &[Entry],
        number: usize,
    ) -> Result<(), Raise> {
        let invalid =
            || Raise::message(format!("invalid capture index ({number}) in replacement string"));
        match entries.get(number).ok_or_else(invalid)? {
            Entry::Text(part) => self.copy(stack, text, part.clone()),
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
    Text(std::ops::Range<u32>),
    /// A capture, by its mark.
    Capture(usize),
}
