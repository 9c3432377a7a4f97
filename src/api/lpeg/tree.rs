//! Patterns as trees, and what can be told of them without a subject.
//!
//! Trees are immutable and shared by the patterns that are made of them. A tree refers to Lua values
//! (functions, names, constants) by their place in the list of values beside its pattern; a part of a
//! larger pattern adds a shift to the places of its own list.

use std::collections::HashMap;
use std::sync::Arc;

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
    pub(super) tree: Arc<Tree>,
    pub(super) shift: u32,
    /// Trees inside each other, this one included.
    pub(super) depth: u32,
}

#[derive(Debug)]
pub(super) enum Tree {
    True,
    False,
    Set(ByteSet),
    Text(Box<[u8]>),
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

/// What a reference to a rule stands for while a grammar is checked.
pub(super) type Rules<'a> = Option<&'a Scope<'a>>;

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
        let depth = 1 + tree.children().iter().map(|part| part.depth).max().unwrap_or(0);
        Part { tree: Arc::new(tree), shift: 0, depth }
    }

    /// The same with its places shifted further.
    pub(super) fn shifted(&self, by: u32) -> Part {
        Part { tree: self.tree.clone(), shift: self.shift + by, depth: self.depth }
    }

    /// The set, if this matches just one byte of a set.
    pub(super) fn byte_set(&self) -> Option<ByteSet> {
        match &*self.tree {
            Tree::Set(set) => Some(*set),
            Tree::Text(text) if text.len() == 1 => Some(text.iter().copied().collect()),
            Tree::Any(1) => Some(ByteSet::ALL),
            _ => None,
        }
    }

    /// True if it may match without taking a byte. References are looked up in `rules`, at `base`
    /// of the whole list; without rules they count as taking one.
    pub(super) fn is_nullable(&self, rules: Rules<'_>, base: u32) -> bool {
        let base = base + self.shift;
        match &*self.tree {
            Tree::True | Tree::Repeat(_) | Tree::AtMost(..) | Tree::Leaf(_) => true,
            Tree::Not(_) | Tree::And(_) | Tree::Behind(..) => true,
            Tree::False | Tree::Set(_) | Tree::Text(_) | Tree::Any(_) | Tree::Utf8(..) => false,
            Tree::Sequence(parts) => parts.iter().all(|part| part.is_nullable(rules, base)),
            Tree::Choice(parts) => parts.iter().any(|part| part.is_nullable(rules, base)),
            Tree::Capture(_, part) | Tree::Runtime(_, part) => part.is_nullable(rules, base),
            Tree::Rule(place) => rules.is_some_and(|scope| {
                let rule = scope.rule(place + base);
                rule.is_some_and(|(_, rule)| rule.is_nullable(rules, scope.base))
            }),
            Tree::Grammar(grammar) => {
                grammar.rules[0].is_nullable(Some(&Scope { grammar, base }), base)
            }
        }
    }

    /// True if it matches at any place of any subject.
    pub(super) fn never_fails(&self) -> bool {
        match &*self.tree {
            Tree::True | Tree::Repeat(_) | Tree::AtMost(..) | Tree::Leaf(_) => true,
            Tree::Sequence(parts) => parts.iter().all(Part::never_fails),
            Tree::Choice(parts) => parts.iter().any(Part::never_fails),
            Tree::And(part) | Tree::Capture(_, part) => part.never_fails(),
            _ => false,
        }
    }

    /// True if only the first byte decides whether it matches.
    pub(super) fn fails_at_once(&self) -> bool {
        match &*self.tree {
            Tree::Sequence(parts) => {
                let (first, rest) = parts.split_first().expect("sequences have parts");
                first.fails_at_once() && rest.iter().all(Part::never_fails)
            }
            Tree::Choice(parts) => parts.iter().all(Part::fails_at_once),
            Tree::Capture(_, part) => part.fails_at_once(),
            _ => self.byte_set().is_some(),
        }
    }

    /// The bytes of which one comes first wherever it matches; `None` if it may match without one,
    /// or if that is not known.
    pub(super) fn first(&self) -> Option<ByteSet> {
        match &*self.tree {
            Tree::Set(set) => Some(*set),
            Tree::Text(text) => text.first().map(|&byte| [byte].into_iter().collect()),
            Tree::Any(_) | Tree::Utf8(..) => Some(ByteSet::ALL),
            Tree::False => Some(ByteSet::default()),
            Tree::Sequence(parts) => {
                let passes = |part: &&Part| !matches!(&*part.tree, Tree::Leaf(_) | Tree::Not(_));
                parts.iter().find(passes).and_then(Part::first)
            }
            Tree::Choice(parts) => {
                let sets = parts.iter().map(Part::first);
                sets.reduce(|left, right| Some(left?.union(right?))).flatten()
            }
            Tree::Capture(_, part) | Tree::Runtime(_, part) => part.first(),
            _ => None,
        }
    }

    /// How many bytes it takes, if it always takes the same number.
    pub(super) fn fixed_length(&self) -> Option<usize> {
        match &*self.tree {
            Tree::True | Tree::Not(_) | Tree::And(_) | Tree::Behind(..) => Some(0),
            Tree::Leaf(_) | Tree::False => Some(0),
            Tree::Set(_) => Some(1),
            Tree::Text(text) => Some(text.len()),
            Tree::Any(count) => Some(*count),
            Tree::Sequence(parts) => parts.iter().map(Part::fixed_length).sum(),
            Tree::Choice(parts) => {
                let lengths = parts.iter().map(Part::fixed_length);
                lengths.reduce(|left, right| left.filter(|_| left == right)).flatten()
            }
            Tree::Capture(_, part) => part.fixed_length(),
            Tree::Repeat(_) | Tree::Rule(_) | Tree::Grammar(_) | Tree::Runtime(..) => None,
            Tree::AtMost(..) | Tree::Utf8(..) => None,
        }
    }

    pub(super) fn has_captures(&self) -> bool {
        matches!(&*self.tree, Tree::Capture(..) | Tree::Leaf(_) | Tree::Runtime(..))
            || self.tree.children().iter().any(Part::has_captures)
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
