//! Methods: a call finds what an index with the same name finds, through whatever the name is
//! looked for.

use crate::state::{SharedImage, State, alone};

/// `call(o)` looks the name up as a method, `index(o)` in the general way; `agree` compares them,
/// errors included.
const WAYS: &str = "
    function call(o) return o:name() end
    function index(o)
      local key = 'name'
      local found = o[key]
      if found == nil then error(\"attempt to call a nil value (method 'name')\", 0) end
      return found(o)
    end
    -- Not as methods: strings lose theirs for a while.
    local gsub = string.gsub
    local function plain(message)
      return (gsub(gsub(tostring(message), '^[^ ]*:%d+: ', ''), '%([^)]*%)$', ''))
    end
    function agree(o)
      local ok1, result1 = pcall(call, o)
      local ok2, result2 = pcall(index, o)
      assert(ok1 == ok2, tostring(result1) .. ' / ' .. tostring(result2))
      if ok1 then assert(rawequal(result1, result2)) return result1 end
      assert(plain(result1) == plain(result2), result1 .. ' / ' .. result2)
      return plain(result1)
    end
    function class(depth, top)
      local class = top
      for level = 1, depth do class = setmetatable({ ['other' .. level] = level }, { __index = class }) end
      return class
    end
    found = { name = function(o) return o end }
";

fn state() -> State {
    let state = State::new();
    state.run(WAYS).unwrap();
    state
}

#[test]
fn a_method_is_found_however_far_up_it_is() {
    let _alone = alone();
    let state = state();
    for depth in [0, 1, 2, 15, 16, 17, 40, 1990] {
        let code = format!("local o = class({depth}, found) assert(agree(o) == o)");
        state.eval(&code);
    }
    assert_eq!(
        state.eval("return agree(class(2100, found))"),
        "'__index' chain too long; possible loop"
    );
    assert_eq!(state.eval("return agree(class(3, {}))"), "attempt to call a nil value ");
    let circle =
        "local a, b = {}, {} setmetatable(a, { __index = b }) setmetatable(b, { __index = a })";
    let text = state.eval(&format!("{circle} return agree(a)"));
    assert_eq!(text, "'__index' chain too long; possible loop");
}

#[test]
fn values_of_every_type_have_methods() {
    let _alone = alone();
    let state = state();
    let code = "
        for _, value in ipairs { 1, 2.5, true, print, coroutine.create(print), 'text' } do
          local before = debug.getmetatable(value)
          for _, meta in ipairs { { __index = found }, { __index = class(3, found) }, {},
              { __index = function(o, key) return found[key] end }, { __index = class(20, found) } } do
            debug.setmetatable(value, meta)
            agree(value)
          end
          debug.setmetatable(value, { __index = found })
          assert(agree(value) == value)
          debug.setmetatable(value, before)
        end
        debug.setmetatable(nil, { __index = found })
        assert(agree(nil) == nil)
        debug.setmetatable(nil, nil)
        assert(agree(nil):find 'attempt to index a nil value')
        assert(agree(io.stdout):find 'attempt to call a nil value')
        assert(io.stdout:seek() == io.stdout.seek(io.stdout))
        assert(('x'):rep(3) == 'xxx')";
    state.eval(code);
}

#[test]
fn functions_and_changes_along_the_way_count() {
    let _alone = alone();
    let state = state();
    let code = "
        -- A function in the middle, fields that are false, a userdata as a class.
        local by_function = setmetatable({}, { __index = function(_, key) return found[key] end })
        assert(agree(class(2, by_function)) ~= nil)
        assert(agree(class(2, { name = false })):find 'attempt to call a boolean value')
        agree(setmetatable({}, { __index = io.stdout }))
        agree(setmetatable({}, { __index = 'text' }))
        agree(setmetatable({}, { __index = 5 }))
        -- What was absent when it was looked for last.
        local meta, base = {}, {}
        local o = setmetatable({}, meta)
        assert(agree(o):find 'nil value')
        meta.__index = base
        assert(agree(o):find 'nil value')
        base.name = found.name
        assert(agree(o) == o)
        o.name = function() return 'own' end
        assert(agree(o) == 'own')
        o.name, base.name = nil, nil
        assert(agree(o):find 'nil value')";
    state.eval(code);
}

#[test]
fn classes_of_constants_and_shared_classes_are_looked_through() {
    let _alone = alone();
    let state = state();
    let classes = SharedImage::compile(
        "local fields = { __index = { a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9 },
           name = 'no function', second = 2, third = 3, fourth = 4, fifth = 5, sixth = 6, seventh = 7 }
         return fields",
    );
    state.clone_as("fresh", &classes);
    let code = "
        for depth = 0, 3 do
          local constants = fresh()
          assert(agree(class(depth, constants)):find 'attempt to call a string value')
          local untouched = fresh()
          assert(agree(setmetatable({}, untouched)):find 'attempt to call a nil value')
          untouched = fresh()
          assert(setmetatable({}, untouched).i == 9)
        end";
    state.eval(code);
    state.run("tree = { base = { name = 'shared', deep = { other = 1 } } }").unwrap();
    let image = SharedImage::of_table(&state, "tree", "@tree").unwrap();
    state.take_as("shared", &image);
    let code = "
        assert(agree(class(2, shared.base)):find 'attempt to call a string value')
        assert(agree(class(2, shared.base.deep)):find 'attempt to call a nil value')";
    state.eval(code);
}
