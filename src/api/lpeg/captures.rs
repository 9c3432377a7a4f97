//! From the marks that a match has left to the values that scripts get. A few marks may stand for a
//! lot of work and text (captures that repeat what others gave): so it can be interrupted, and what
//! it builds counts as memory of the VM.

mod texts;

use std::ffi::c_int;

use super::machine::{Mark, MarkKind, opening};
use super::tree::{Capture, Leaf};
use crate::vm::{CountedBytes, Kind, Raise, Stack};

/// Captures may stand inside each other this deep.
const NESTING_LIMIT: usize = 200;

/// Values on the stack for one level of nesting.
const SLOTS_PER_LEVEL: c_int = 10;

/// Levels after which it looks again how deep the stack of the thread is: they need some kilobytes.
const LEVELS_PER_CHECK: usize = 8;

/// Marks after which the reader looks whether it is to stop, and at the memory of the VM.
const SLICE: usize = 1 << 14;

/// Bytes of text that count as one mark.
const BYTES_PER_MARK: usize = 64;

/// Results for back captures that are kept.
const FOUND_LIMIT: usize = 16;

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
pub(super) struct Reader<'m, 'vm> {
    marks: &'m [Mark],
    /// The next mark.
    next: usize,
    places: Places,
    depth: usize,
    /// Marks until it looks whether it is to stop.
    left: usize,
    /// Results for back captures, by the places of their names.
    found: Option<Box<[Found; FOUND_LIMIT]>>,
    /// Room for the next text, if it was used before.
    spare: Option<CountedBytes<'vm>>,
}

/// What was found for a back capture.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// The place of the name; 0 if this is none yet.
    place: u32,
    /// Where it was looked for, and the group.
    mark: usize,
    group: usize,
}

type Counted = Result<c_int, Raise>;

impl<'m, 'vm> Reader<'m, 'vm> {
    /// Reads from that mark on.
    pub(super) fn new(marks: &'m [Mark], next: usize, places: Places) -> Reader<'m, 'vm> {
        Reader { marks, next, places, depth: 0, left: SLICE, found: None, spare: None }
    }

    /// To be told of all work, in marks.
    #[inline]
    fn spend(&mut self, stack: &mut Stack<'vm>, marks: usize) -> Result<(), Raise> {
        if self.left <= marks {
            return self.look_up(stack);
        }
        self.left -= marks;
        Ok(())
    }

    #[cold]
    fn look_up(&mut self, stack: &mut Stack<'vm>) -> Result<(), Raise> {
        self.left = SLICE;
        if stack.is_interrupted() {
            // Nobody gets it.
            return Err(Raise::message("interrupted"));
        }
        if stack.is_within_memory() { Ok(()) } else { Err(stack.no_memory()) }
    }

    /// Pushes the values of all marks up to the end.
    pub(super) fn all(&mut self, stack: &mut Stack<'vm>) -> Counted {
        let mut count = 0;
        while self.next < self.marks.len() {
            count += self.one(stack, count)?;
        }
        Ok(count)
    }

    /// Pushes the values inside the capture that opens next; the text it covers if there are none,
    /// or if `whole` asks for it as the last one.
    pub(super) fn nested(&mut self, stack: &mut Stack<'vm>, whole: bool) -> Counted {
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
            self.spend(stack, 1 + (end - begin) as usize / BYTES_PER_MARK)?;
            count += 1;
        }
        self.depth -= 1;
        Ok(count)
    }

    #[inline]
    fn enter(&mut self, stack: &mut Stack<'vm>) -> Result<(), Raise> {
        if self.depth == NESTING_LIMIT || self.depth % LEVELS_PER_CHECK == LEVELS_PER_CHECK - 1 {
            self.check_level(stack)?;
        }
        self.depth += 1;
        stack.reserve(SLOTS_PER_LEVEL)
    }

    #[cold]
    fn check_level(&self, stack: &Stack<'vm>) -> Result<(), Raise> {
        if self.depth == NESTING_LIMIT {
            let message = format!("captures are nested more than {NESTING_LIMIT} deep");
            return Err(Raise::message(message));
        }
        stack.check_depth()
    }

    /// Calls a function, which may match again.
    pub(super) fn call(
        &self,
        stack: &mut Stack<'vm>,
        arguments: c_int,
        results: c_int,
    ) -> Result<(), Raise> {
        stack.check_depth()?;
        stack.call_or_raise(arguments, results)
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
    fn first(&mut self, stack: &mut Stack<'vm>) -> Result<(), Raise> {
        let count = self.nested(stack, false)?;
        stack.pop(count - 1);
        Ok(())
    }

    /// Pushes the values of the next capture; `before` values of its neighbours are on top.
    fn one(&mut self, stack: &mut Stack<'vm>, before: c_int) -> Counted {
        let capture = match self.marks[self.next].kind {
            MarkKind::Open(capture) => capture,
            MarkKind::Leaf(leaf) => return self.leaf(stack, leaf),
            MarkKind::Value(number) => {
                self.spend(stack, 1)?;
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
                self.skip(stack)?;
                Ok(0)
            }
            Capture::Table => self.table(stack),
            Capture::Substitution => {
                let text = self.substitution(stack)?;
                self.push_text(stack, text)
            }
            Capture::String(place) => {
                let text = self.string(stack, place)?;
                self.push_text(stack, text)
            }
            Capture::Number(number) => self.number(stack, number),
            Capture::Function(place) => {
                let base = stack.top();
                self.value(stack, place);
                let count = self.nested(stack, false)?;
                self.call(stack, count, Stack::ALL)?;
                Ok(stack.top() - base)
            }
            Capture::Query(place) => self.query(stack, place),
            Capture::Fold(place) => self.fold(stack, place),
            Capture::Accumulator(place) => self.accumulate(stack, place, before),
        }
    }

    /// Pushes one of the pattern's values.
    fn value(&self, stack: &mut Stack<'vm>, place: u32) {
        if place == 0 {
            stack.push_nil();
        } else {
            stack.raw_get_item(self.places.values, place.into());
        }
    }

    fn leaf(&mut self, stack: &mut Stack<'vm>, leaf: Leaf) -> Counted {
        self.spend(stack, 1)?;
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
    fn find_group(
        &mut self,
        stack: &mut Stack<'vm>,
        mark: usize,
        place: u32,
    ) -> Result<usize, Raise> {
        let before = self.found.as_ref().map(|found| found[place as usize % FOUND_LIMIT]);
        let before = before.unwrap_or_default();
        self.value(stack, place);
        let mut number = mark;
        while number > 0 {
            if number == before.mark && place == before.place {
                // From here on everything is as it was then.
                return Ok(self.note_group(stack, mark, place, before.group));
            }
            let behind = number;
            number -= 1;
            if self.marks[number].kind == MarkKind::Close {
                number = opening(self.marks, number);
                if self.is_group_named(stack, number) {
                    return Ok(self.note_group(stack, mark, place, number));
                }
            } // else a leaf, or a capture around
            self.spend(stack, behind - number)?;
        }
        let name = stack.text(-1);
        Err(Raise::message(format!("back reference '{name}' not found")))
    }

    /// True if that capture is a group with the name on top.
    fn is_group_named(&self, stack: &mut Stack<'vm>, mark: usize) -> bool {
        let MarkKind::Open(Capture::Group(name)) = self.marks[mark].kind else {
            return false;
        };
        self.value(stack, name);
        let is_same = stack.raw_equal(-1, -2);
        stack.pop(1);
        is_same
    }

    /// Pops the name, and remembers what was found for it.
    fn note_group(
        &mut self,
        stack: &mut Stack<'vm>,
        mark: usize,
        place: u32,
        group: usize,
    ) -> usize {
        stack.pop(1);
        let found = self.found.get_or_insert_default();
        found[place as usize % FOUND_LIMIT] = Found { place, mark, group };
        group
    }

    /// Passes the next capture without its values.
    fn skip(&mut self, stack: &mut Stack<'vm>) -> Result<(), Raise> {
        let (mut depth, begin) = (0, self.next);
        loop {
            match self.marks[self.next].kind {
                MarkKind::Open(_) | MarkKind::Runtime(_) => depth += 1,
                MarkKind::Close => depth -= 1,
                MarkKind::Leaf(_) | MarkKind::Value(_) => {}
            }
            self.next += 1;
            if depth == 0 {
                return self.spend(stack, self.next - begin);
            }
        }
    }

    fn table(&mut self, stack: &mut Stack<'vm>) -> Counted {
        self.enter(stack)?;
        self.spend(stack, 1)?;
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

    fn number(&mut self, stack: &mut Stack<'vm>, number: u32) -> Counted {
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

    fn query(&mut self, stack: &mut Stack<'vm>, place: u32) -> Counted {
        self.first(stack)?;
        self.value(stack, place);
        stack.insert(-2);
        let table = stack.top() - 1;
        stack.check_depth()?;
        let found = stack.get(table)?;
        stack.remove(-2);
        if found == Kind::Nil {
            stack.pop(1);
            return Ok(0);
        }
        Ok(1)
    }

    fn fold(&mut self, stack: &mut Stack<'vm>, place: u32) -> Counted {
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
            self.call(stack, count + 1, 1)?;
        }
        self.close();
        self.depth -= 1;
        Ok(1)
    }

    /// Replaces the value before by what the function makes of it and of the values inside.
    fn accumulate(&mut self, stack: &mut Stack<'vm>, place: u32, before: c_int) -> Counted {
        if before == 0 {
            return Err(Raise::message("no previous value for accumulator capture"));
        }
        self.value(stack, place);
        stack.insert(-2);
        let count = self.nested(stack, false)?;
        self.call(stack, count + 1, 1)?;
        Ok(0)
    }
}
