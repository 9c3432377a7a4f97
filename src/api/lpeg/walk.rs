//! Walks over the trees of a grammar that follow references to rules. The same tree may be there
//! many times and rules may begin with each other a thousand deep: each tree is looked at once for
//! each place where its values may stand, without recursion, and long walks can be interrupted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ptr;

use super::tree::{Node, Part, Scope, Tree};
use crate::vm::{Counted, Raise, Stack};

/// Steps after which a walk looks whether it is to stop, and counts its memory.
const SLICE: usize = 1 << 14;

/// At most what a walk keeps for one step.
const STEP_BYTES: usize = 128;

/// A tree that refers to rules, by its address, and where its values begin: that tells which rules.
type Key = (*const Node, u32);

fn key(part: &Part, base: u32) -> Key {
    (ptr::from_ref(&*part.node), base)
}

/// Steps of a walk.
struct Steps<'vm> {
    count: usize,
    counted: Counted<'vm>,
}

impl<'vm> Steps<'vm> {
    fn new(stack: &Stack<'vm>) -> Steps<'vm> {
        Steps { count: 0, counted: Counted::new(stack) }
    }

    fn step(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        self.count += 1;
        if self.count.is_multiple_of(SLICE) {
            self.counted.grow_to(stack, self.count * STEP_BYTES)?;
            if stack.is_interrupted() {
                // Nobody gets it.
                return Err(Raise::message("interrupted"));
            }
        }
        Ok(())
    }
}

/// Visits each part that refers to rules, with where its values begin.
pub(super) struct Visitor<'g, 'vm> {
    steps: Steps<'vm>,
    seen: HashMap<Key, ()>,
    left: Vec<(&'g Part, u32)>,
}

impl<'g, 'vm> Visitor<'g, 'vm> {
    pub(super) fn new(stack: &Stack<'vm>) -> Visitor<'g, 'vm> {
        Visitor { steps: Steps::new(stack), seen: HashMap::new(), left: Vec::new() }
    }

    /// Visits those of a rule in their order that were not visited before.
    pub(super) fn visit(
        &mut self,
        stack: &mut Stack<'_>,
        rule: &'g Part,
        mut visit: impl FnMut(&mut Stack<'_>, &'g Part, u32) -> Result<(), Raise>,
    ) -> Result<(), Raise> {
        self.left.push((rule, 0));
        while let Some((part, base)) = self.left.pop() {
            let base = base + part.shift;
            if !part.facts().has_rules || self.seen.insert(key(part, base), ()).is_some() {
                continue;
            }
            self.steps.step(stack)?;
            visit(stack, part, base)?;
            self.left.extend(part.tree().children().iter().rev().map(|child| (child, base)));
        }
        Ok(())
    }
}

/// What is known of a tree that was begun.
#[derive(Clone, Copy)]
enum Known {
    Begun,
    Nullable(bool),
}

/// A tree in the middle of its parts.
struct Frame<'g> {
    part: &'g Part,
    base: u32,
    next: usize,
    nullable: bool,
}

impl<'g> Frame<'g> {
    /// The next part it may begin with, and where the values of that begin.
    fn next(&self, scope: &Scope<'g>) -> Option<(&'g Part, u32)> {
        match self.part.tree() {
            Tree::Rule(_) if self.next > 0 => None,
            Tree::Rule(place) => scope.rule(place + self.base).map(|(_, rule)| (rule, scope.base)),
            Tree::Sequence(_) if self.next > 0 && !self.nullable => None,
            tree => tree.children().get(self.next).map(|part| (part, self.base)),
        }
    }

    fn take(&mut self, nullable: bool) {
        self.next += 1;
        self.nullable = match self.part.tree() {
            Tree::Choice(_) => self.nullable || nullable,
            Tree::Repeat(_) | Tree::AtMost(..) => true,
            Tree::Not(_) | Tree::And(_) | Tree::Behind(..) => true,
            _ => nullable,
        };
    }
}

/// Follows what parts may begin with.
pub(super) struct Beginnings<'g, 'vm> {
    scope: &'g Scope<'g>,
    steps: Steps<'vm>,
    known: HashMap<Key, Known>,
    frames: Vec<Frame<'g>>,
}

impl<'g, 'vm> Beginnings<'g, 'vm> {
    pub(super) fn new(stack: &Stack<'vm>, scope: &'g Scope<'g>) -> Beginnings<'g, 'vm> {
        let (known, frames) = (HashMap::new(), Vec::new());
        Beginnings { scope, steps: Steps::new(stack), known, frames }
    }

    /// Whether a part may match without taking a byte, or which rule that it may begin with begins
    /// with itself.
    pub(super) fn is_nullable(
        &mut self,
        stack: &mut Stack<'_>,
        part: &'g Part,
        base: u32,
    ) -> Result<Result<bool, LeftRecursion>, Raise> {
        self.frames.clear();
        let mut answer = self.begin(part, base);
        while let Some(frame) = self.frames.last_mut() {
            self.steps.step(stack)?;
            match answer {
                Answer::Nullable(nullable) => frame.take(nullable),
                Answer::Later => {}
                Answer::Recursion => return Ok(Err(self.recursion())),
            }
            answer = match frame.next(self.scope) {
                Some((part, base)) => self.begin(part, base),
                None => self.end(),
            };
        }
        match answer {
            Answer::Nullable(nullable) => Ok(Ok(nullable)),
            Answer::Later | Answer::Recursion => Ok(Err(self.recursion())),
        }
    }

    /// A tree comes up inside itself by the reference on top to the rule that it is.
    fn recursion(&self) -> LeftRecursion {
        let rule = self.frames.last().and_then(|frame| match frame.part.tree() {
            Tree::Rule(place) => self.scope.rule(place + frame.base),
            _ => None,
        });
        LeftRecursion { rule: rule.map_or(0, |(rule, _)| rule) }
    }

    fn begin(&mut self, part: &'g Part, base: u32) -> Answer {
        let base = base + part.shift;
        if !part.facts().has_rules {
            return Answer::Nullable(part.facts().is_nullable);
        }
        match self.known.entry(key(part, base)) {
            Entry::Occupied(known) => match *known.get() {
                Known::Nullable(nullable) => Answer::Nullable(nullable),
                Known::Begun => Answer::Recursion,
            },
            Entry::Vacant(unknown) => {
                unknown.insert(Known::Begun);
                self.frames.push(Frame { part, base, next: 0, nullable: false });
                Answer::Later
            }
        }
    }

    /// All that the last tree may begin with is known.
    fn end(&mut self) -> Answer {
        let Some(Frame { part, base, nullable, .. }) = self.frames.pop() else {
            return Answer::Later;
        };
        self.known.insert(key(part, base), Known::Nullable(nullable));
        Answer::Nullable(nullable)
    }
}

/// A rule begins with itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftRecursion {
    pub(super) rule: usize,
}

enum Answer {
    Nullable(bool),
    /// Its frame is on top.
    Later,
    Recursion,
}
