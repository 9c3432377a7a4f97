//! Patterns as trees, and what can be told of them without a subject.
//!
//! Trees are immutable and shared by the patterns that are made of them. A tree refers to Lua
//! values (functions, names, constants) by their place in the list of values beside its pattern; a
//! part of a larger pattern adds a shift to the places of its own list.
//!
//! A tree may be there many times in the same pattern: a few dozen steps make one whose walk would
//! never end. So what can be told of a tree is told once, when it is made, by what is known of its
//! parts.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::vm::{Held, Raise, Stack};

/// Patterns may be built up inside each other this deep.
pub(super) const DEPTH_LIMIT: u32 = 200;

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    pub(super) fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    #[inline]
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    pub(super) fn union(self, other: ByteSet) -> ByteSet {
        self.combine(other, |left, right| left | right)
    }

    pub(super) fn without(self, other: ByteSet) -> ByteSet {
        self.combine(other, |left, right| left & !right)
    }

    pub(super) fn is_disjoint(self, other: ByteSet) -> bool {
        self.combine(other, |left, right| left & right) == ByteSet::default()
    }

    fn combine(self, other: ByteSet, with: impl Fn(u64, u64) -> u64) -> ByteSet {
        ByteSet(std::array::from_fn(|word| with(self.0[word], other.0[word])))
    }
}

impl FromIterator<u8> for ByteSet {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> ByteSet {
        let mut set = ByteSet::default();
        bytes.into_iter().for_each(|byte| set.add(byte));
        set
    }
}

/// A tree as a part of another: its places are shifted.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) node: Arc<Node>,
    pub(super) shift: u32,
}

/// A tree and what is known of it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) tree: Tree,
    pub(super) facts: Facts,
    /// Its size, once it counts as memory of a VM.
    held: OnceLock<Held>,
}

/// What is known of a tree whatever the grammar around it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// Trees inside each other, this one included.
    pub(super) depth: u32,
    /// It may match without taking a byte, if references to rules around it take one.
    pub(super) is_nullable: bool,
    /// It matches at any place of any subject.
    pub(super) never_fails: bool,
    /// Only the first byte decides whether it matches.
    pub(super) fails_at_once: bool,
    pub(super) has_captures: bool,
    /// It refers to rules of the grammar around it.
    pub(super) has_rules: bool,
    /// The bytes of which one comes first wherever it matches; `None` if it may match without one,
    /// or if that is not known.
    pub(super) first: Option<ByteSet>,
    /// How many bytes it takes, if it always takes the same number; the largest number stands for
    /// more.
    pub(super) fixed_length: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Tree {
    True,
    False,
    Set(ByteSet),
    /// Shared with programs, which may repeat it.
    Text(Arc<[u8]>),
    /// So many bytes, whatever they are.
    Any(usize),
    /// A character of UTF-8 between these two.
    Utf8(u32, u32),
    Sequence(Vec<Part>),
    Choice(Vec<Part>),
    Repeat(Part),
    /// The part as often as it matches, at most so many times.
    AtMost(Part, usize),
    Not(Part),
    And(Part),
    /// The part matches just before, with so many bytes.
    Behind(Part, usize),
    /// The rule of that name in the grammar around.
    Rule(u32),
    Grammar(Grammar),
    /// A capture around a part.
    Capture(Capture, Part),
    /// A capture of its own: it matches nothing.
    Leaf(Leaf),
    /// A function, by its place, that decides while matching.
    Runtime(u32, Part),
}

/// Rules; the first is the initial one.
#[derive(Debug)]
pub(super) struct Grammar {
    pub(super) rules: Vec<Part>,
    /// Which rule a reference means, by the place of its name in the list of the grammar.
    pub(super) references: HashMap<u32, usize>,
    /// The initial rule may match without taking a byte.
    pub(super) is_nullable: bool,
}

/// What becomes of the text and the captures of a part; numbers are places of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capture {
    Simple,
    Table,
    Substitution,
    /// With a name unless the place is 0.
    Group(u32),
    Fold(u32),
    Function(u32),
    Query(u32),
    String(u32),
    /// The value with this number, not a place.
    Number(u32),
    Accumulator(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Position,
    /// A value, nil if the place is 0.
    Constant(u32),
    /// The extra argument with this number.
    Argument(u32),
    /// The values of the last group with this name.
    Back(u32),
}

/// The grammar around a part, and where its list begins.
pub(super) struct Scope<'a> {
    pub(super) grammar: &'a Grammar,
    pub(super) base: u32,
}

impl<'a> Scope<'a> {
    /// The rule that the reference at `place` means, counted in the whole list.
    pub(super) fn rule(&self, place: u32) -> Option<(usize, &'a Part)> {
        let rule = *self.grammar.references.get(&(place - self.base))?;
        Some((rule, &self.grammar.rules[rule]))
    }
}

impl Part {
    pub(super) fn new(tree: Tree) -> Part {
        let facts = tree.facts();
        Part { node: Arc::new(Node { tree, facts, held: OnceLock::new() }), shift: 0 }
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.node.tree
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.node.facts
    }

    /// The same with its places shifted further.
    pub(super) fn shifted(&self, by: u32) -> Part {
        Part { node: self.node.clone(), shift: self.shift + by }
    }

    /// The set, if this matches just one byte of a set.
    pub(super) fn byte_set(&self) -> Option<ByteSet> {
        self.tree().byte_set()
    }

    /// Lets the tree count as memory of the VM, with those parts of it that do not yet: the few
    /// that were made with it.
    pub(super) fn hold(&self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        if self.node.held.get().is_none() {
            let held = stack.hold_outside(self.node.size_bytes())?;
            self.node.held.get_or_init(|| held);
            self.tree().children().iter().try_for_each(|child| child.hold(stack))?;
        }
        Ok(())
    }
}

impl Node {
    fn size_bytes(&self) -> usize {
        let own = match &self.tree {
            Tree::Text(text) => text.len(),
            Tree::Sequence(parts) | Tree::Choice(parts) => parts.capacity() * size_of::<Part>(),
            Tree::Grammar(grammar) => grammar.size_bytes(),
            _ => 0,
        };
        size_of::<Node>() + own
    }
}

impl Grammar {
    fn size_bytes(&self) -> usize {
        let references = self.references.capacity() * size_of::<(u32, usize)>();
        references + self.rules.capacity() * size_of::<Part>()
    }
}

impl Tree {
    /// The parts it is made of.
    pub(super) fn children(&self) -> &[Part] {
        match self {
            Tree::Sequence(parts) | Tree::Choice(parts) => parts,
            Tree::Grammar(grammar) => &grammar.rules,
            Tree::Repeat(part)
            | Tree::AtMost(part, _)
            | Tree::Not(part)
            | Tree::And(part)
            | Tree::Behind(part, _)
            | Tree::Capture(_, part)
            | Tree::Runtime(_, part) => std::slice::from_ref(part),
            _ => &[],
        }
    }
}
