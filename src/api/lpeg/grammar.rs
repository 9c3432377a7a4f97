//! Grammars: tables of rules that refer to each other by name. A grammar is complete when it is
//! made: references that lead nowhere, rules that would call themselves for ever and loops that
//! would never end are refused.

use std::collections::HashMap;
use std::ffi::c_int;

use super::pattern;
use super::tree::{Grammar, Part, Scope, Tree};
use super::walk::{Beginnings, LeftRecursion, Visitor};
use crate::vm::{Kind, Raise, Stack};

/// Rules of one grammar.
const RULES_LIMIT: usize = 1000;

/// Pushes the pattern for the table of rules at `index`. The rule at 1 is the initial one; if it is
/// no pattern, it is the name of that rule.
pub(super) fn push(stack: &mut Stack<'_>, index: c_int) -> Result<(), Raise> {
    // A rule may be a table of rules again.
    stack.check_depth()?;
    let table = stack.absolute(index);
    let base = stack.top();
    // Rule numbers by their names, then the list of values.
    stack.push_table(0, 0);
    stack.push_table(0, 0);
    let (numbers, values) = (base + 1, base + 2);
    let mut rules = Vec::new();
    push_initial_name(stack, table);
    add_rule(stack, table, numbers, values, &mut rules)
        .map_err(|raise| raise.unwrap_or_else(|| Raise::message("grammar has no initial rule")))?;
    add_others(stack, table, numbers, values, &mut rules)?;
    let references = resolve(stack, numbers, values, &rules)?;
    let mut grammar = Grammar { rules, references, is_nullable: false };
    grammar.is_nullable = verify(stack, numbers, &grammar)?;
    stack.set_top(values);
    pattern::push_with_values(stack, Part::new(Tree::Grammar(grammar)))?;
    stack.remove(numbers);
    Ok(())
}

/// Pushes the name of the initial rule: the string or number that stands at 1, or 1 itself.
fn push_initial_name(stack: &mut Stack<'_>, table: c_int) {
    if !matches!(stack.raw_get_item(table, 1), Kind::String | Kind::Number) {
        stack.pop(1);
        stack.push_integer(1);
    }
}

/// Takes the name on top and adds its rule; `Err(None)` if there is none.
fn add_rule(
    stack: &mut Stack<'_>,
    table: c_int,
    numbers: c_int,
    values: c_int,
    rules: &mut Vec<Part>,
) -> Result<(), Option<Raise>> {
    let name = stack.top();
    stack.push_value(name);
    if stack.raw_get(table) == Kind::Nil {
        return Err(None);
    }
    let part = pattern::check(stack, name + 1)?;
    if rules.len() == RULES_LIMIT {
        let message = format!("a grammar has {RULES_LIMIT} rules at most");
        return Err(Some(Raise::message(message)));
    }
    stack.push_value(values);
    let shift = pattern::append_values(stack, name + 1)?;
    rules.push(part.shifted(shift));
    stack.push_value(name);
    stack.push_integer(rules.len() as i64);
    stack.raw_set(numbers);
    stack.set_top(name - 1);
    Ok(())
}

/// Adds all rules but the initial one.
fn add_others(
    stack: &mut Stack<'_>,
    table: c_int,
    numbers: c_int,
    values: c_int,
    rules: &mut Vec<Part>,
) -> Result<(), Raise> {
    stack.for_each(table, |stack| {
        let key = stack.top() - 1;
        stack.push_value(key);
        let is_known = stack.raw_get(numbers) != Kind::Nil;
        let is_first = stack.is_integer(key) && stack.integer(key) == Some(1);
        if is_known || is_first {
            return Ok(());
        }
        stack.push_value(key);
        add_rule(stack, table, numbers, values, rules).map_err(|raise| {
            raise.unwrap_or_else(|| Raise::message("the grammar changed while it was read"))
        })
    })
}

/// What each reference in the rules means; those inside other grammars are resolved already.
fn resolve(
    stack: &mut Stack<'_>,
    numbers: c_int,
    values: c_int,
    rules: &[Part],
) -> Result<HashMap<u32, usize>, Raise> {
    let mut references = HashMap::new();
    let mut visitor = Visitor::new(stack);
    for rule in rules {
        visitor.visit(stack, rule, |stack, part, base| {
            if let Tree::Rule(place) = part.tree() {
                references.insert(place + base, rule_at(stack, numbers, values, place + base)?);
            }
            Ok(())
        })?;
    }
    Ok(references)
}

/// The rule whose name is at `place` of the list of values.
fn rule_at(
    stack: &mut Stack<'_>,
    numbers: c_int,
    values: c_int,
    place: u32,
) -> Result<usize, Raise> {
    stack.raw_get_item(values, place.into());
    stack.push_value(-1);
    if stack.raw_get(numbers) == Kind::Nil {
        let name = stack.text(-2);
        return Err(Raise::message(format!("rule '{name}' undefined in given grammar")));
    }
    let number = stack.integer(-1).unwrap_or(1);
    stack.pop(2);
    Ok(number as usize - 1)
}

/// Makes sure that the grammar ends on any subject; true if its initial rule may match without
/// taking a byte. Rules that nothing refers to may be as they are: they are never begun.
fn verify(stack: &mut Stack<'_>, numbers: c_int, grammar: &Grammar) -> Result<bool, Raise> {
    let scope = Scope { grammar, base: 0 };
    let mut beginnings = Beginnings::new(stack, &scope);
    let used_rules = used_rules(grammar);
    let mut is_first_nullable = None;
    for (_, rule) in &used_rules {
        match beginnings.is_nullable(stack, rule, 0)? {
            Ok(nullable) => is_first_nullable.get_or_insert(nullable),
            Err(LeftRecursion { rule }) => {
                let name = rule_name(stack, numbers, rule)?;
                return Err(Raise::message(format!("rule '{name}' may be left recursive")));
            }
        };
    }
    let mut visitor = Visitor::new(stack);
    for (number, rule) in used_rules {
        visitor.visit(stack, rule, |stack, part, base| match part.tree() {
            Tree::Repeat(body) if beginnings.is_nullable(stack, body, base)? == Ok(true) => {
                let name = rule_name(stack, numbers, number)?;
                Err(Raise::message(format!("empty loop in rule '{name}'")))
            }
            _ => Ok(()),
        })?;
    }
    Ok(is_first_nullable == Some(true))
}

/// The initial rule and those that any rule refers to, with their numbers.
fn used_rules(grammar: &Grammar) -> Vec<(usize, &Part)> {
    let mut used = vec![false; grammar.rules.len()];
    used[0] = true;
    grammar.references.values().for_each(|&rule| used[rule] = true);
    grammar.rules.iter().enumerate().filter(|(number, _)| used[*number]).collect()
}

/// The name of a rule, for messages.
fn rule_name(stack: &mut Stack<'_>, numbers: c_int, wanted: usize) -> Result<String, Raise> {
    let mut name = String::new();
    stack.for_each(numbers, |stack| {
        if stack.integer(-1) == Some(wanted as i64 + 1) {
            name = stack.text(-2);
        }
        Ok(())
    })?;
    Ok(name)
}
