//! Typed messages: Rust to Lua, Lua to Rust, and back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Player {
    id: u32,
    name: String,
    health: f32,
    friends: Vec<u32>,
    guild: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Command {
    Stop,
    Say(String),
    Move(f64, f64),
    Give { item: String, count: u8 },
}

fn player() -> Player {
    let friends = vec![1, 2, 300];
    Player { id: 7, name: "Ann".to_owned(), health: 0.5, friends, guild: None }
}

/// What Lua sees of a typed message.
fn spell<T: Serialize + ?Sized>(value: &T) -> String {
    let receiver = Vm::new();
    receiver.unpack(&to_payload(value).expect("it has a form in Lua")).expect("valid");
    receiver.spell()
}

/// What Rust makes of the results of a chunk.
fn read<T: serde::de::DeserializeOwned>(source: &str) -> Result<T, FromPayloadError> {
    let sender = Vm::new();
    let count = sender.evaluate(source);
    from_payload(&sender.pack(count, &PackOptions::default()).expect(source))
}

fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(source: &str) -> String {
    read::<T>(source).expect_err(source).to_string()
}

fn round_trip<T>(value: T)
where
    T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let payload = to_payload(&value).expect("it has a form in Lua");
    assert_eq!(from_payload::<T>(&payload).as_ref(), Ok(&value));
}

#[test]
fn lua_sees_ordinary_values() {
    assert_eq!(spell(&()), "");
    assert_eq!(spell(&(1, -2.0, "x", true)), r#"1; -0x1p+1; "x"; true"#);
    assert_eq!(spell(&[1, 2]), "1; 2");
    assert_eq!(spell(&([1, 2],)), "#2{[1]=1,[2]=2}");
    assert_eq!(spell("alone"), r#""alone""#);
    assert_eq!(spell(&(None::<u8>, Some('c'), ())), r#"nil; "c"; nil"#);
    assert_eq!(spell(&BTreeMap::from([(3, "c"), (-1, "z")])), r#"#0{[-1]="z",[3]="c"}"#);
    assert_eq!(
        spell(&player()),
        r##"#0{["friends"]=#3{[1]=1,[2]=2,[3]=300},["health"]=0x1p-1,["id"]=7,["name"]="Ann"}"##
    );
}

#[test]
fn lua_sees_variants_as_names_and_tables() {
    assert_eq!(spell(&Command::Stop), r#""Stop""#);
    assert_eq!(spell(&Command::Say("hi".to_owned())), r##"#0{["Say"]="hi"}"##);
    assert_eq!(spell(&Command::Move(1.0, 2.0)), r##"#0{["Move"]=#2{[1]=0x1p+0,[2]=0x1p+1}}"##);
}

#[test]
fn typed_values_come_back() {
    round_trip((1_i8, 200_u8, -70_000_i32, i64::MIN, 0.1_f64, 'x', true));
    round_trip(vec![player(), player()]);
    round_trip((vec![Some(1), None, Some(3)], None::<String>));
    round_trip((Command::Stop, Command::Say("hi".to_owned()), Command::Move(1.0, -0.0)));
    round_trip(Command::Give { item: "sword".to_owned(), count: 2 });
    round_trip(vec![BTreeMap::from([("a".to_owned(), vec![1]), ("b".to_owned(), vec![])])]);
    round_trip((vec![BTreeMap::from([(-1, 'a'), (500, 'b')])], Some(player())));
    round_trip((Handle { kind: 3, value: u64::MAX }, vec![Handle { kind: 0, value: 0 }]));
    round_trip(Some(4));
}

#[test]
fn messages_of_lua_have_types() {
    assert_eq!(read("return 1, 'two', {3}"), Ok((1, "two".to_owned(), vec![3])));
    assert_eq!(read("return {id = 1, name = 'n', health = 1, friends = {}}"), {
        let friends = vec![];
        Ok(Player { id: 1, name: "n".to_owned(), health: 1.0, friends, guild: None })
    });
    assert_eq!(read("return 3.0"), Ok(3_u8));
    assert_eq!(read("return {10, 20, x = 30}").map(|map: BTreeMap<Key, i32>| map.len()), Ok(3));
    assert_eq!(read::<()>("return 1, 2"), Ok(()));
    assert_eq!(read("return"), Ok(None::<i32>));
    assert_eq!(read("return 1"), Ok((1, None::<i32>)));
    assert_eq!(read("return {Say = 'x'}, 'Stop'"), Ok((Command::Say("x".into()), Command::Stop)));
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
enum Key {
    Index(i64),
    Name(String),
}

#[test]
fn what_does_not_fit_is_named_by_path() {
    assert_eq!(
        refused::<(i32, Player)>("return 1, {id = 1, name = 2}"),
        "values[2].name: invalid type: integer `2`, expected a string"
    );
    assert_eq!(
        refused::<Vec<Vec<u8>>>("return {1}, {2, 300}"),
        "values[2][2]: invalid value: integer `300`, expected u8"
    );
    assert_eq!(refused::<i32>("return 1, 2"), "values: more values than the 1 expected");
    assert_eq!(refused::<(i32,)>("return 1, 2"), "values: more values than the 1 expected");
    assert_eq!(
        refused::<((i32, i32),)>("return {1, 2, 3}"),
        "values[1]: 3 elements, not 2 as expected"
    );
    assert_eq!(refused::<f64>("return"), "values[1]: invalid type: unit value, expected f64");
    assert_eq!(
        refused::<u8>("return 2.5"),
        "values[1]: invalid type: floating point `2.5`, expected u8"
    );
    assert_eq!(
        refused::<Handle>("return 'forged!!!'"),
        "values[1]: invalid type: string \"forged!!!\", expected a handle"
    );
    assert_eq!(
        refused::<Command>("return 'Fly'"),
        concat!(
            "values[1]: unknown variant `Fly`, expected one of ",
            "`Stop`, `Say`, `Move`, `Give`"
        )
    );
}

#[test]
fn what_has_no_form_in_lua_is_named_by_path() {
    let expect = |result: Result<Payload, PackError>, message: &str| {
        assert_eq!(result.expect_err(message).to_string(), message);
    };
    let big = u64::MAX;
    expect(to_payload(&big), "args[1]: 18446744073709551615 is no 64-bit integer of Lua");
    expect(
        to_payload(&(1, vec![0, big])),
        "args[2][2]: 18446744073709551615 is no 64-bit integer of Lua",
    );
    expect(
        to_payload(&BTreeMap::from([("a b", big)])),
        r#"args[1]["a b"]: 18446744073709551615 is no 64-bit integer of Lua"#,
    );
    expect(
        to_payload(&(BTreeMap::from([(vec![1], 2)]),)),
        "args[1]: a sequence cannot be a key of a table",
    );
    let deep = (0..=MAX_DEPTH).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
    assert!(matches!(to_payload(&(deep,)), Err(PackError::Depth { .. })));
}
