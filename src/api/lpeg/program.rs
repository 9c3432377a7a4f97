//! Programs: trees as instructions for the [machine](super::machine).
//!
//! A choice keeps a way back on the machine's stack. Where the next byte alone decides, a test
//! takes the place of the choice: it is quicker, and a rule that ends with a call to itself then
//! needs no stack.

use std::sync::Arc;

use super::pattern;
use super::tree::{ByteSet, Capture, Leaf, Part, Scope, Tree};
use crate::vm::{Counted, Held, Raise, Stack};

/// Instructions of one program.
const PROGRAM_LIMIT: usize = 1 << 20;

/// Instructions that a program has room for at first.
const FIRST_ROOM: usize = 16;

/// One instruction. Numbers are addresses of instructions, or sizes.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Set(ByteSet),
    Byte(u8),
    Text(Arc<[u8]>),
    Any(usize),
    Utf8(u32, u32),
    /// As many bytes of the set as there are.
    Span(ByteSet),
    /// Goes on there unless the next byte is in the set; takes nothing.
    Test(ByteSet, usize),
    /// Goes back so many bytes.
    Behind(usize),
    Jump(usize),
    /// Remembers to go on there when something fails.
    Choice(usize),
    /// Forgets the last way back.
    Commit(usize),
    /// Moves the last way back to here.
    PartialCommit(usize),
    /// Goes back to where the last way back stands, without its captures.
    BackCommit(usize),
    Fail,
    /// Forgets the last way back, and fails.
    FailTwice,
    Call(usize),
    Return,
    Open(Capture),
    Leaf(Leaf),
    Close,
    /// Opens a capture that is decided while matching.
    OpenRuntime(u32),
    CloseRuntime,
    End,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) code: Vec<Op>,
    _held: Held,
}

/// Turns the pattern at 1 into a program.
pub(super) fn compile(stack: &mut Stack<'_>, part: &Part) -> Result<Program, Raise> {
    let counted = Counted::new(stack);
    let mut compiler = Compiler { code: Vec::new(), counted, stack };
    compiler.part(part, 0, None)?;
    compiler.emit(Op::End)?;
    compiler.shorten();
    let Compiler { code, counted, stack } = compiler;
    drop(counted);
    let held = stack.hold_outside(code.capacity() * size_of::<Op>())?;
    Ok(Program { code, _held: held })
}

struct Compiler<'s, 'vm> {
    code: Vec<Op>,
    /// The size of the code.
    counted: Counted<'vm>,
    stack: &'s mut Stack<'vm>,
}

/// The grammar around a part, and the calls that want the addresses of its rules.
struct Calls<'a> {
    scope: Scope<'a>,
    open: Vec<(usize, usize)>,
}

type Compiled = Result<(), Raise>;

impl Compiler<'_, '_> {
    fn emit(&mut self, op: Op) -> Result<usize, Raise> {
        if self.code.len() == PROGRAM_LIMIT {
            let message = format!("the pattern needs more than {PROGRAM_LIMIT} instructions");
            return Err(Raise::message(message));
        }
        if self.code.len() == self.code.capacity() {
            self.grow()?;
        }
        self.code.push(op);
        Ok(self.code.len() - 1)
    }

    fn grow(&mut self) -> Compiled {
        let room = (self.code.capacity() * 2).max(FIRST_ROOM);
        self.counted.grow_to(self.stack, room * size_of::<Op>())?;
        self.code.reserve_exact(room - self.code.len());
        Ok(())
    }

    fn here(&self) -> usize {
        self.code.len()
    }

    /// Lets the instruction at `place` lead to here.
    fn land(&mut self, place: usize) {
        let here = self.code.len();
        match &mut self.code[place] {
            Op::Test(_, target)
            | Op::Jump(target)
            | Op::Choice(target)
            | Op::Commit(target)
            | Op::PartialCommit(target)
            | Op::BackCommit(target)
            | Op::Call(target) => *target = here,
            other => unreachable!("{other:?} leads nowhere"),
        }
    }

    fn part(&mut self, part: &Part, base: u32, calls: Option<&mut Calls<'_>>) -> Compiled {
        self.stack.check_depth()?;
        let base = base + part.shift;
        match part.tree() {
            Tree::True => {}
            Tree::False => {
                self.emit(Op::Fail)?;
            }
            Tree::Set(set) => {
                self.emit(Op::Set(*set))?;
            }
            Tree::Text(text) => {
                let op = if let [byte] = **text { Op::Byte(byte) } else { Op::Text(text.clone()) };
                self.emit(op)?;
            }
            Tree::Any(count) => {
                self.emit(Op::Any(*count))?;
            }
            Tree::Utf8(from, to) => {
                self.emit(Op::Utf8(*from, *to))?;
            }
            Tree::Leaf(leaf) => {
                self.emit(Op::Leaf(moved_leaf(*leaf, base)))?;
            }
            Tree::Sequence(parts) => self.sequence(parts, base, calls)?,
            Tree::Choice(parts) => self.choice(parts, base, calls)?,
            Tree::Repeat(body) => self.repeat(body, base, calls)?,
            Tree::AtMost(body, count) => self.at_most(body, *count, base, calls)?,
            Tree::Not(body) => self.not(body, base, calls)?,
            Tree::And(body) => {
                let choice = self.emit(Op::Choice(0))?;
                self.part(body, base, calls)?;
                let commit = self.emit(Op::BackCommit(0))?;
                self.land(choice);
                self.emit(Op::Fail)?;
                self.land(commit);
            }
            Tree::Behind(body, count) => {
                self.emit(Op::Behind(*count))?;
                self.part(body, base, calls)?;
            }
            Tree::Rule(place) => self.call(place + base, calls)?,
            Tree::Grammar(grammar) => self.grammar(Scope { grammar, base })?,
            Tree::Capture(capture, body) => {
                self.emit(Op::Open(moved(*capture, base)))?;
                self.part(body, base, calls)?;
                self.emit(Op::Close)?;
            }
            Tree::Runtime(place, body) => {
                self.emit(Op::OpenRuntime(place + base))?;
                self.part(body, base, calls)?;
                self.emit(Op::CloseRuntime)?;
            }
        }
        Ok(())
    }

    fn sequence(
        &mut self,
        parts: &[Part],
        base: u32,
        mut calls: Option<&mut Calls<'_>>,
    ) -> Compiled {
        parts.iter().try_for_each(|part| self.part(part, base, calls.as_deref_mut()))
    }

    fn choice(&mut self, parts: &[Part], base: u32, mut calls: Option<&mut Calls<'_>>) -> Compiled {
        let (last, others) = parts.split_last().expect("choices have parts");
        let mut exits = Vec::new();
        for (part, rest) in others.iter().zip(first_of_rest(parts)) {
            let first = part.facts().first;
            let excludes_rest = |first: ByteSet| rest.is_some_and(|rest| first.is_disjoint(rest));
            let decides =
                first.is_some_and(|first| part.facts().fails_at_once || excludes_rest(first));
            let test = match first {
                Some(first) => Some(self.emit(Op::Test(first, 0))?),
                None => None,
            };
            if decides {
                self.part(part, base, calls.as_deref_mut())?;
                exits.push(self.emit(Op::Jump(0))?);
            } else {
                let choice = self.emit(Op::Choice(0))?;
                self.part(part, base, calls.as_deref_mut())?;
                exits.push(self.emit(Op::Commit(0))?);
                self.land(choice);
            }
            if let Some(test) = test {
                self.land(test);
            }
        }
        self.part(last, base, calls)?;
        exits.into_iter().for_each(|exit| self.land(exit));
        Ok(())
    }

    fn repeat(&mut self, body: &Part, base: u32, calls: Option<&mut Calls<'_>>) -> Compiled {
        if let Some(set) = body.byte_set() {
            self.emit(Op::Span(set))?;
            return Ok(());
        }
        let first = body.facts().first;
        if let Some(first) = first.filter(|_| body.facts().fails_at_once) {
            let test = self.emit(Op::Test(first, 0))?;
            self.part(body, base, calls)?;
            self.emit(Op::Jump(test))?;
            self.land(test);
            return Ok(());
        }
        let test = match first {
            Some(first) => Some(self.emit(Op::Test(first, 0))?),
            None => None,
        };
        let choice = self.emit(Op::Choice(0))?;
        let begin = self.here();
        self.part(body, base, calls)?;
        self.emit(Op::PartialCommit(begin))?;
        self.land(choice);
        if let Some(test) = test {
            self.land(test);
        }
        Ok(())
    }

    /// Copies one behind the other; each that matches moves the way back behind it.
    fn at_most(
        &mut self,
        body: &Part,
        count: usize,
        base: u32,
        mut calls: Option<&mut Calls<'_>>,
    ) -> Compiled {
        let choice = self.emit(Op::Choice(0))?;
        for _ in 1..count {
            self.part(body, base, calls.as_deref_mut())?;
            let next = self.here() + 1;
            self.emit(Op::PartialCommit(next))?;
        }
        self.part(body, base, calls)?;
        let commit = self.emit(Op::Commit(0))?;
        self.land(choice);
        self.land(commit);
        Ok(())
    }

    fn not(&mut self, body: &Part, base: u32, calls: Option<&mut Calls<'_>>) -> Compiled {
        if let Some(set) = body.byte_set() {
            let test = self.emit(Op::Test(set, 0))?;
            self.emit(Op::Fail)?;
            self.land(test);
            return Ok(());
        }
        let choice = self.emit(Op::Choice(0))?;
        self.part(body, base, calls)?;
        self.emit(Op::FailTwice)?;
        self.land(choice);
        Ok(())
    }

    fn call(&mut self, place: u32, calls: Option<&mut Calls<'_>>) -> Compiled {
        let found = calls.and_then(|calls| {
            let (rule, _) = calls.scope.rule(place)?;
            Some((calls, rule))
        });
        let Some((calls, rule)) = found else {
            pattern::push_values(self.stack, 1);
            self.stack.raw_get_item(-1, place.into());
            let name = self.stack.text(-1);
            return Err(Raise::message(format!("rule '{name}' used outside a grammar")));
        };
        let call = self.emit(Op::Call(0))?;
        calls.open.push((call, rule));
        Ok(())
    }

    fn grammar(&mut self, scope: Scope<'_>) -> Compiled {
        let (rules, base) = (&scope.grammar.rules, scope.base);
        let mut calls = Calls { scope, open: Vec::new() };
        let first = self.emit(Op::Call(0))?;
        let exit = self.emit(Op::Jump(0))?;
        let mut addresses = Vec::with_capacity(rules.len());
        for rule in rules {
            addresses.push(self.here());
            self.part(rule, base, Some(&mut calls))?;
            self.emit(Op::Return)?;
        }
        self.code[first] = Op::Call(addresses[0]);
        for (call, rule) in calls.open {
            self.code[call] = Op::Call(addresses[rule]);
        }
        self.land(exit);
        Ok(())
    }

    /// Lets jumps lead to their ends, and turns calls before a return into jumps.
    fn shorten(&mut self) {
        for place in 0..self.code.len() {
            match self.code[place] {
                Op::Jump(target) => self.code[place] = self.jump_to(self.end_of(target)),
                Op::Call(target) => {
                    if matches!(self.code[self.end_of(place + 1)], Op::Return) {
                        self.code[place] = Op::Jump(target);
                    }
                }
                _ => {}
            }
        }
    }

    fn jump_to(&self, target: usize) -> Op {
        match self.code[target] {
            Op::Return => Op::Return,
            _ => Op::Jump(target),
        }
    }

    /// Where jumps from `place` on lead in the end. A circle of jumps cannot come up: each leads
    /// forward, or back to a test.
    fn end_of(&self, mut place: usize) -> usize {
        while let Op::Jump(target) = self.code[place] {
            if target == place {
                break;
            }
            place = target;
        }
        place
    }
}

/// For each of the parts but the last, the bytes that any of those behind it may begin with; `None`
/// if one of them may begin with none.
fn first_of_rest(parts: &[Part]) -> Vec<Option<ByteSet>> {
    let mut rest = Some(ByteSet::default());
    let mut all: Vec<_> = parts[1..]
        .iter()
        .rev()
        .map(|part| {
            rest = rest.and_then(|rest| Some(rest.union(part.facts().first?)));
            rest
        })
        .collect();
    all.reverse();
    all
}

fn moved(capture: Capture, base: u32) -> Capture {
    match capture {
        Capture::Group(0) => Capture::Group(0),
        Capture::Group(place) => Capture::Group(place + base),
        Capture::Fold(place) => Capture::Fold(place + base),
        Capture::Function(place) => Capture::Function(place + base),
        Capture::Query(place) => Capture::Query(place + base),
        Capture::String(place) => Capture::String(place + base),
        Capture::Accumulator(place) => Capture::Accumulator(place + base),
        Capture::Simple | Capture::Table | Capture::Substitution | Capture::Number(_) => capture,
    }
}

fn moved_leaf(leaf: Leaf, base: u32) -> Leaf {
    match leaf {
        Leaf::Constant(0) => leaf,
        Leaf::Constant(place) => Leaf::Constant(place + base),
        Leaf::Back(place) => Leaf::Back(place + base),
        Leaf::Position | Leaf::Argument(_) => leaf,
    }
}
