//! Strings as keys: whatever their length, whoever made them, and whichever byte they differ in.

use crate::state::{State, alone};

#[test]
fn strings_that_differ_in_one_byte_are_different_keys() {
    let _alone = alone();
    let state = State::new();
    let code = "
        local seen, count = {}, 0
        for length = 1, 70 do
          for at = 1, length do
            for _, byte in ipairs { 'b', '\\0', '\\255' } do
              local key = ('a'):rep(at - 1) .. byte .. ('a'):rep(length - at)
              assert(seen[key] == nil, key)
              count = count + 1
              seen[key] = count
            end
          end
        end
        local again = 0
        for length = 1, 70 do
          for at = 1, length do
            for _, byte in ipairs { 'b', '\\0', '\\255' } do
              again = again + 1
              local key = table.concat { ('a'):rep(at - 1), byte, ('a'):rep(length - at) }
              assert(seen[key] == again, key)
            end
          end
        end
        return again == count";
    assert_eq!(state.eval(code), "true");
}

#[test]
fn zeros_are_told_apart_by_their_number() {
    let _alone = alone();
    let state = State::new();
    let code = "
        local seen = {}
        for length = 0, 200 do seen[('\\0'):rep(length)] = length end
        for length = 0, 200 do assert(seen[('\\0'):rep(length)] == length) end
        return true";
    assert_eq!(state.eval(code), "true");
}

#[test]
fn a_constant_of_one_vm_is_the_key_that_another_one_makes() {
    let _alone = alone();
    for length in [1, 7, 8, 16, 17, 40, 41, 1000] {
        let key = "k".repeat(length);
        let image = crate::state::SharedImage::of_table(
            &State::new(),
            &format!("{{ ['{key}'] = {length} }}"),
            "strings",
        )
        .unwrap();
        let reader = State::new();
        reader.take_as("t", &image);
        let code = format!("return t[('k'):rep({length})]");
        assert_eq!(reader.eval(&code), length.to_string());
    }
}
