//! The stack against a model: random operations must leave what a plain vector would hold.

use proptest::prelude::*;

use super::vm_with;
use crate::vm::Stack;

/// One operation; positions are taken modulo what is there.
#[derive(Debug, Clone)]
enum Operation {
    Push(i64),
    PushText(String),
    Copy(usize),
    Pop(usize),
    Insert(usize),
    Remove(usize),
    Replace(usize),
    SetTop(usize),
    ThroughTable,
    ThroughCoroutine(usize),
    ThroughRegistry,
    Collect,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        4 => any::<i64>().prop_map(Push),
        4 => "[a-z]{0,60}".prop_map(PushText),
        2 => any::<usize>().prop_map(Copy),
        1 => (0..4usize).prop_map(Pop),
        2 => any::<usize>().prop_map(Insert),
        2 => any::<usize>().prop_map(Remove),
        1 => any::<usize>().prop_map(Replace),
        1 => (0..60usize).prop_map(SetTop),
        2 => Just(ThroughTable),
        2 => any::<usize>().prop_map(ThroughCoroutine),
        1 => Just(ThroughRegistry),
        1 => Just(Collect),
    ]
}

/// What the model holds at each index; `None` is nil.
type Model = Vec<Option<String>>;

fn apply(stack: &mut Stack<'_>, model: &mut Model, operation: Operation) {
    let at = |position: usize, model: &Model| position % model.len().max(1);
    let lua = |index: usize| index as i32 + 1;
    match operation {
        Operation::Push(value) => {
            stack.push_integer(value);
            model.push(Some(value.to_string()));
        }
        Operation::PushText(text) => {
            stack.push_str(&text);
            model.push(Some(text));
        }
        Operation::SetTop(top) => {
            stack.set_top(top as i32);
            model.resize(top, None);
        }
        Operation::Collect => stack.collect(),
        _ if model.is_empty() => {}
        Operation::Copy(position) => {
            let index = at(position, model);
            stack.push_value(lua(index));
            model.push(model[index].clone());
        }
        Operation::Pop(count) => {
            let count = count.min(model.len());
            stack.pop(count as i32);
            model.truncate(model.len() - count);
        }
        Operation::Insert(position) => {
            let index = at(position, model);
            stack.insert(lua(index));
            model[index..].rotate_right(1);
        }
        Operation::Remove(position) => {
            let index = at(position, model);
            stack.remove(lua(index));
            model.remove(index);
        }
        Operation::Replace(position) => {
            let index = at(position, model);
            stack.replace(lua(index));
            let top = model.pop().expect("not empty");
            if index < model.len() {
                model[index] = top;
            }
        }
        through => pass(stack, model.len(), through),
    }
}

/// What leaves every value where it was.
fn pass(stack: &mut Stack<'_>, values: usize, operation: Operation) {
    match operation {
        Operation::ThroughTable => {
            stack.push_table(0, 1);
            stack.insert(-2);
            stack.raw_set_field(-2, "field");
            stack.raw_get_field(-1, "field");
            stack.remove(-2);
        }
        Operation::ThroughCoroutine(count) => {
            let count = (count % 8).min(values) as i32;
            let coroutine = stack.coroutine();
            stack.move_to(&coroutine, count);
            stack.move_from(&coroutine, count);
            stack.recycle(coroutine);
        }
        Operation::ThroughRegistry => {
            let reference = stack.keep();
            stack.push_kept(&reference);
            stack.release(reference);
        }
        other => unreachable!("{other:?} changes the stack"),
    }
}

fn contents(stack: &mut Stack<'_>) -> Model {
    (1..=stack.top())
        .map(|index| (!stack.is_none_or_nil(index)).then(|| stack.text(index)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_operations_leaves_what_a_vector_would_hold(
        operations in prop::collection::vec(operation(), 0..80)
    ) {
        let mut vm = vm_with(&[]);
        let mut stack = vm.stack();
        stack.set_top(0);
        let mut model = Model::new();
        for operation in operations {
            apply(&mut stack, &mut model, operation);
            prop_assert_eq!(stack.top() as usize, model.len());
        }
        prop_assert_eq!(contents(&mut stack), model);
    }
}
