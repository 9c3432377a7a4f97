//! The machine that runs programs over a subject, with a stack of ways back.
//!
//! It borrows the subject while it runs. When a capture has to be decided by a function, it stops,
//! and goes on after its caller has asked that function.

use super::program::{Op, Program};
use super::tree::{Capture, Leaf};

/// Entries of the stack of ways back.
pub(super) const STACK_LIMIT: usize = 1 << 20;

/// Captures of one match.
const CAPTURES_LIMIT: usize = 1 << 22;

/// Instructions after which the caller may look whether it is to stop.
const SLICE: u32 = 1 << 16;

/// An instruction that looks at so many bytes at once counts by them, the others do not.
const LONG_BYTES: usize = 1024;

/// Bytes that long instructions look at in a slice.
const SLICE_BYTES: usize = 1 << 22;

/// An entry of the list of captures: a part of the subject opens, closes, or stands for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) kind: MarkKind,
    pub(super) place: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkKind {
    Open(Capture),
    Close,
    Leaf(Leaf),
    /// The value with this number that a function has given while matching.
    Value(u32),
    /// Opens a capture that the function at this place decides.
    Runtime(u32),
}

/// Why the machine has stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It has matched.
    Matched,
    Failed,
    /// The function at this place has to decide; its captures begin at this number.
    Asks {
        function: u32,
        open: usize,
    },
    /// It has run for a while; nothing is the matter.
    Pause,
    StackFull,
    CapturesFull,
}

enum Frame {
    /// Where to go on, and from where, when something fails.
    Back {
        address: usize,
        place: usize,
        marks: usize,
        values: u32,
    },
    Return {
        address: usize,
    },
}

pub(super) struct Machine<'p> {
    code: &'p [Op],
    pub(super) marks: Vec<Mark>,
    stack: Vec<Frame>,
    stack_limit: usize,
    address: usize,
    pub(super) place: usize,
    /// Values that functions have given so far.
    pub(super) values: u32,
    /// Bytes that long instructions have looked at since the last pause for them.
    looked_at: usize,
}

impl<'p> Machine<'p> {
    pub(super) fn new(program: &'p Program, place: usize, stack_limit: usize) -> Machine<'p> {
        let code = program.code.as_slice();
        let (marks, stack) = (Vec::new(), Vec::new());
        Machine { code, marks, stack, stack_limit, address: 0, place, values: 0, looked_at: 0 }
    }

    /// Memory for what it remembers.
    pub(super) fn size_bytes(&self) -> usize {
        self.marks.capacity() * size_of::<Mark>() + self.stack.capacity() * size_of::<Frame>()
    }

    /// Goes on as if the last thing had failed.
    pub(super) fn fail(&mut self) -> Result<(), Stop> {
        loop {
            match self.stack.pop() {
                None => return Err(Stop::Failed),
                Some(Frame::Return { .. }) => {}
                Some(Frame::Back { address, place, marks, values }) => {
                    (self.address, self.place, self.values) = (address, place, values);
                    self.marks.truncate(marks);
                    return Ok(());
                }
            }
        }
    }

    pub(super) fn run(&mut self, subject: &[u8]) -> Stop {
        for _ in 0..SLICE {
            if let Err(stop) = self.step(subject) {
                return stop;
            }
        }
        Stop::Pause
    }

    /// Runs one instruction.
    #[inline]
    fn step(&mut self, subject: &[u8]) -> Result<(), Stop> {
        let op = &self.code[self.address];
        self.address += 1;
        let next = subject.get(self.place).copied();
        match op {
            Op::Set(set) => return self.take(next.is_some_and(|byte| set.has(byte)), 1),
            Op::Byte(byte) => return self.take(next == Some(*byte), 1),
            Op::Any(count) => return self.take(subject.len() - self.place >= *count, *count),
            Op::Text(text) => {
                self.take(subject[self.place..].starts_with(text), text.len())?;
                return self.look_at(text.len());
            }
            Op::Utf8(from, to) => {
                let size = utf8_size(&subject[self.place..], *from, *to);
                return self.take(size.is_some(), size.unwrap_or(0));
            }
            Op::Span(set) => {
                let rest = &subject[self.place..];
                let count = rest.iter().take_while(|&&byte| set.has(byte)).count();
                self.place += count;
                return self.look_at(count);
            }
            Op::Test(set, otherwise) => {
                if !next.is_some_and(|byte| set.has(byte)) {
                    self.address = *otherwise;
                }
            }
            Op::Behind(count) => match self.place.checked_sub(*count) {
                Some(place) => self.place = place,
                None => return self.fail(),
            },
            Op::Jump(target) => self.address = *target,
            Op::Choice(target) => self.choose(*target)?,
            Op::Commit(target) => {
                self.stack.pop();
                self.address = *target;
            }
            Op::PartialCommit(target) => self.commit_so_far(*target),
            Op::BackCommit(target) => {
                self.fail()?;
                self.address = *target;
            }
            Op::Fail => return self.fail(),
            Op::FailTwice => {
                self.stack.pop();
                return self.fail();
            }
            Op::Call(target) => {
                self.push(Frame::Return { address: self.address })?;
                self.address = *target;
            }
            Op::Return => {
                if let Some(Frame::Return { address }) = self.stack.pop() {
                    self.address = address;
                }
            }
            Op::Open(capture) => self.mark(MarkKind::Open(*capture))?,
            Op::Leaf(leaf) => self.mark(MarkKind::Leaf(*leaf))?,
            Op::Close => self.mark(MarkKind::Close)?,
            Op::OpenRuntime(function) => self.mark(MarkKind::Runtime(*function))?,
            Op::CloseRuntime => return Err(self.ask()),
            Op::End => return Err(Stop::Matched),
        }
        Ok(())
    }

    /// Pauses now and then when instructions look at many bytes.
    #[inline]
    fn look_at(&mut self, bytes: usize) -> Result<(), Stop> {
        if bytes < LONG_BYTES { Ok(()) } else { self.look_at_long(bytes) }
    }

    #[cold]
    fn look_at_long(&mut self, bytes: usize) -> Result<(), Stop> {
        self.looked_at += bytes;
        if self.looked_at < SLICE_BYTES {
            return Ok(());
        }
        self.looked_at = 0;
        Err(Stop::Pause)
    }

    /// Takes `count` bytes if they match.
    #[inline]
    fn take(&mut self, matches: bool, count: usize) -> Result<(), Stop> {
        if matches {
            self.place += count;
            return Ok(());
        }
        self.fail()
    }

    /// Remembers where to go on from here if what follows fails.
    #[inline]
    fn choose(&mut self, address: usize) -> Result<(), Stop> {
        let (place, marks, values) = (self.place, self.marks.len(), self.values);
        self.push(Frame::Back { address, place, marks, values })
    }

    /// Keeps what matched since the last choice, and the choice.
    #[inline]
    fn commit_so_far(&mut self, target: usize) {
        let (here, count, given) = (self.place, self.marks.len(), self.values);
        if let Some(Frame::Back { place, marks, values, .. }) = self.stack.last_mut() {
            (*place, *marks, *values) = (here, count, given);
        }
        self.address = target;
    }

    fn push(&mut self, frame: Frame) -> Result<(), Stop> {
        if self.stack.len() >= self.stack_limit {
            return Err(Stop::StackFull);
        }
        self.stack.push(frame);
        Ok(())
    }

    pub(super) fn mark(&mut self, kind: MarkKind) -> Result<(), Stop> {
        if self.marks.len() >= CAPTURES_LIMIT {
            return Err(Stop::CapturesFull);
        }
        self.marks.push(Mark { kind, place: self.place as u32 });
        Ok(())
    }

    /// Closes the last capture that a function decides.
    fn ask(&mut self) -> Stop {
        if let Err(stop) = self.mark(MarkKind::Close) {
            return stop;
        }
        let open = opening(&self.marks, self.marks.len() - 1);
        match self.marks[open].kind {
            MarkKind::Runtime(function) => Stop::Asks { function, open },
            other => unreachable!("a runtime capture opens with {other:?}"),
        }
    }
}

/// The number of the mark that the one at `close` closes.
pub(super) fn opening(marks: &[Mark], close: usize) -> usize {
    let (mut depth, mut number) = (1, close);
    while depth > 0 {
        number -= 1;
        match marks[number].kind {
            MarkKind::Close => depth += 1,
            MarkKind::Open(_) | MarkKind::Runtime(_) => depth -= 1,
            MarkKind::Leaf(_) | MarkKind::Value(_) => {}
        }
    }
    number
}

/// The size of the character that `bytes` begin with, if it is between these two.
fn utf8_size(bytes: &[u8], from: u32, to: u32) -> Option<usize> {
    let size = match bytes.first()? {
        0..0x80 => 1,
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return None,
    };
    let text = std::str::from_utf8(bytes.get(..size)?).ok()?;
    let character = u32::from(text.chars().next()?);
    (from..=to).contains(&character).then_some(size)
}
