//! Properties of the codec, on values and bytes that nobody thought of.

use proptest::prelude::*;

use super::*;

/// A value as Lua spells it.
fn plain() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just("nil".to_owned()), 5 => present()]
}

/// A value that is not nil.
fn present() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| format!("({} | {})", value >> 1, value & 1)),
        (-300i64..300).prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("Lua spells no NaN", |value| !value.is_nan())
            .prop_map(spell_float),
        prop::collection::vec(any::<u8>(), 0..50).prop_map(|bytes| spell_string(&bytes)),
    ]
}

/// Exactly, by its bits.
fn spell_float(value: f64) -> String {
    format!("string.unpack('d', string.pack('i8', {}))", value.to_bits() as i64 as i128)
        .replace("-9223372036854775808", "math.mininteger")
}

fn spell_string(bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:03}")).collect();
    format!("\"{escaped}\"")
}

/// A value that may hold others. Tables have no holes: the length of one that has is any border.
fn value() -> impl Strategy<Value = String> {
    let leaf = present().prop_map(|value| format!("({value})"));
    leaf.prop_recursive(5, 40, 6, |inner| {
        let key = prop_oneof![
            "[a-z]{1,8}".prop_map(|key| format!("{key:?}")),
            prop_oneof![-40i64..0, 100i64..140].prop_map(|key| key.to_string()),
            Just("1.5".to_owned()),
            Just("true".to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20)
                .prop_map(|items| format!("{{{}}}", items.join(", "))),
            prop::collection::vec((key, inner), 0..6).prop_map(|fields| {
                let fields = fields.iter().map(|(key, value)| format!("[{key}] = {value}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

/// Lists of tables that often have the same few keys, some of them short, one too long to be
/// interned, with tables of the same sort in them.
fn rows() -> impl Strategy<Value = String> {
    let keys =
        ["id", "name", "level", "x", "__index", "a key of more than forty bytes is not interned"];
    present().prop_recursive(3, 60, 8, move |inner| {
        let fields = prop::collection::vec(inner, keys.len());
        let row = (prop_oneof![4 => Just(0b1111_u8), 1 => any::<u8>()], fields).prop_map(
            move |(mask, values)| {
                let named = keys.iter().zip(values).enumerate();
                let chosen = named.filter(|(at, _)| mask >> at & 1 == 1);
                let fields = chosen.map(|(_, (key, value))| format!("[{key:?}] = {value}"));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
            },
        );
        prop::collection::vec(row, 0..8).prop_map(|rows| format!("{{{}}}", rows.join(", ")))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_list_of_values_arrives(values in prop::collection::vec(value(), 0..6)) {
        check(&format!("return {}", values.join(", ")));
    }

    #[test]
    fn rows_with_equal_keys_arrive_and_can_be_changed(list in rows()) {
        check(&format!("return {list}, {list}"));
        // Their hash parts are copies of one another: later fields must find and leave their
        // places.
        let sender = Vm::new();
        let count = sender.evaluate(&format!("return {list}"));
        let payload = sender.pack(count, &PackOptions::default()).expect("values");
        let receiver = Vm::new();
        receiver.unpack(&payload).expect("a payload");
        receiver.call(
            c"local function change(list)
               if type(list) ~= 'table' then return end
               for _, row in ipairs(list) do
                 local expected = {}
                 for key, value in pairs(row) do expected[key] = value change(value) end
                 for i = 1, 9 do row['new' .. i] = i expected['new' .. i] = i end
                 row.id, expected.id = nil, nil
                 row.level, expected.level = 7, 7
                 for key, value in pairs(row) do assert(expected[key] == value) expected[key] = nil end
                 assert(next(expected) == nil)
                 assert(getmetatable(row) == nil)
               end
             end
             change(...)
             collectgarbage()
             return 1",
        );
    }

    #[test]
    fn the_short_way_and_the_long_way_write_the_same_bytes(
        values in prop::collection::vec(plain(), 1..8),
    ) {
        let list = values.iter().map(|value| format!("({value})")).collect::<Vec<_>>().join(", ");
        let either = check(&format!("return {list}"));
        // A table makes the whole list take the long way.
        let long = check(&format!("return {list}, {{}}"));
        let (last, rest) = long.head().split_last().expect("a table has a byte");
        prop_assert_eq!(*last, 0x10);
        prop_assert_eq!(rest, either.head());
    }

    #[test]
    fn the_quick_way_for_tables_and_the_long_way_write_the_same_bytes(
        values in prop::collection::vec(value(), 1..5),
    ) {
        let list = values.join(", ");
        check(&format!("return {list}, {{}}"));
        // Keys are recognised by address, so bytes are equal only for the same values of one VM.
        let sender = Vm::new();
        let count = sender.evaluate(&format!("return {list}, setmetatable({{}}, {{}})"));
        let quick = sender.pack(count, &PackOptions::default()).expect("values");
        // A metatable could have `__pairs`, so the whole list takes the long way.
        let long = sender.pack(count, &vm::with_pairs()).expect("values");
        prop_assert_eq!(long.head(), quick.head());
    }

    #[test]
    fn arbitrary_bytes_give_values_or_an_error_and_leave_the_stack_consistent(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        starts_well in any::<bool>(),
    ) {
        if starts_well && bytes.len() > 2 {
            (bytes[0], bytes[1]) = (FORMAT_VERSION, 0);
        }
        let receiver = Vm::new();
        let count = receiver.unpack(bytes.as_slice()).unwrap_or(0);
        prop_assert_eq!(receiver.top(), count);
        let (_, rest) = bytes.split_at(bytes.len().min(40));
        let count = count + receiver.unpack(rest).unwrap_or(0);
        prop_assert_eq!(receiver.top(), count);
    }
}
