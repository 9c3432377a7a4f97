//! What can be told of a tree without a subject, by what is known of its parts. Each answer looks
//! at these parts and no further, so that a tree that is there many times costs what it costs once.

use super::tree::{ByteSet, Facts, Part, Tree};

impl Tree {
    pub(super) fn facts(&self) -> Facts {
        Facts {
            depth: 1 + self.children().iter().map(|part| part.facts().depth).max().unwrap_or(0),
            is_nullable: self.is_nullable(),
            never_fails: self.never_fails(),
            fails_at_once: self.fails_at_once(),
            has_captures: self.has_captures(),
            has_rules: self.has_rules(),
            first: self.first(),
            fixed_length: self.fixed_length(),
        }
    }

    pub(super) fn byte_set(&self) -> Option<ByteSet> {
        match self {
            Tree::Set(set) => Some(*set),
            Tree::Text(text) if text.len() == 1 => Some(text.iter().copied().collect()),
            Tree::Any(1) => Some(ByteSet::ALL),
            _ => None,
        }
    }

    fn is_nullable(&self) -> bool {
        match self {
            Tree::True | Tree::Repeat(_) | Tree::AtMost(..) | Tree::Leaf(_) => true,
            Tree::Not(_) | Tree::And(_) | Tree::Behind(..) => true,
            Tree::False | Tree::Set(_) | Tree::Text(_) | Tree::Any(_) | Tree::Utf8(..) => false,
            Tree::Sequence(parts) => parts.iter().all(|part| part.facts().is_nullable),
            Tree::Choice(parts) => parts.iter().any(|part| part.facts().is_nullable),
            Tree::Capture(_, part) | Tree::Runtime(_, part) => part.facts().is_nullable,
            Tree::Rule(_) => false,
            Tree::Grammar(grammar) => grammar.is_nullable,
        }
    }

    fn never_fails(&self) -> bool {
        match self {
            Tree::True | Tree::Repeat(_) | Tree::AtMost(..) | Tree::Leaf(_) => true,
            Tree::Sequence(parts) => parts.iter().all(|part| part.facts().never_fails),
            Tree::Choice(parts) => parts.iter().any(|part| part.facts().never_fails),
            Tree::And(part) | Tree::Capture(_, part) => part.facts().never_fails,
            _ => false,
        }
    }

    fn fails_at_once(&self) -> bool {
        match self {
            Tree::Sequence(parts) => {
                let (first, rest) = parts.split_first().expect("sequences have parts");
                first.facts().fails_at_once && rest.iter().all(|part| part.facts().never_fails)
            }
            Tree::Choice(parts) => parts.iter().all(|part| part.facts().fails_at_once),
            Tree::Capture(_, part) => part.facts().fails_at_once,
            tree => tree.byte_set().is_some(),
        }
    }

    fn first(&self) -> Option<ByteSet> {
        match self {
            Tree::Set(set) => Some(*set),
            Tree::Text(text) => text.first().map(|&byte| [byte].into_iter().collect()),
            Tree::Any(_) | Tree::Utf8(..) => Some(ByteSet::ALL),
            Tree::False => Some(ByteSet::default()),
            Tree::Sequence(parts) => {
                let passes = |part: &&Part| !matches!(part.tree(), Tree::Leaf(_) | Tree::Not(_));
                parts.iter().find(passes).and_then(|part| part.facts().first)
            }
            Tree::Choice(parts) => {
                let sets = parts.iter().map(|part| part.facts().first);
                sets.reduce(|left, right| Some(left?.union(right?))).flatten()
            }
            Tree::Capture(_, part) | Tree::Runtime(_, part) => part.facts().first,
            _ => None,
        }
    }

    fn fixed_length(&self) -> Option<usize> {
        match self {
            Tree::True | Tree::Not(_) | Tree::And(_) | Tree::Behind(..) => Some(0),
            Tree::Leaf(_) | Tree::False => Some(0),
            Tree::Set(_) => Some(1),
            Tree::Text(text) => Some(text.len()),
            Tree::Any(count) => Some(*count),
            Tree::Sequence(parts) => parts.iter().try_fold(0, |sum: usize, part| {
                Some(sum.saturating_add(part.facts().fixed_length?))
            }),
            Tree::Choice(parts) => {
                let lengths = parts.iter().map(|part| part.facts().fixed_length);
                lengths.reduce(|left, right| left.filter(|_| left == right)).flatten()
            }
            Tree::Capture(_, part) => part.facts().fixed_length,
            Tree::Repeat(_) | Tree::Rule(_) | Tree::Grammar(_) | Tree::Runtime(..) => None,
            Tree::AtMost(..) | Tree::Utf8(..) => None,
        }
    }

    fn has_captures(&self) -> bool {
        matches!(self, Tree::Capture(..) | Tree::Leaf(_) | Tree::Runtime(..))
            || self.children().iter().any(|part| part.facts().has_captures)
    }

    /// References inside a grammar of its own are resolved.
    fn has_rules(&self) -> bool {
        match self {
            Tree::Rule(_) => true,
            Tree::Grammar(_) => false,
            tree => tree.children().iter().any(|part| part.facts().has_rules),
        }
    }
}
