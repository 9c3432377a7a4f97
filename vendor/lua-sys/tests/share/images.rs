//! Images and shared strings: when they are used, when they are freed, and that a VM cannot tell.

use crate::state::{SharedImage, State, alone, stats};

/// Two epochs free what nobody uses: one to find out, one to be sure that no search is under way.
fn settle(states: &[&State]) {
    for _ in 0..3 {
        for state in states {
            state.census();
        }
    }
}

#[test]
fn every_clone_has_its_own_upvalues_and_the_globals_of_its_vm() {
    let _alone = alone();
    let image =
        SharedImage::compile("local n = 0; return function() n = n + 1; return who .. n end");
    let (red, blue) = (State::new(), State::new());
    for (state, name) in [(&red, "red"), (&blue, "blue")] {
        state.clone_as("chunk", &image);
        state.eval(&format!("who = '{name}'; counter = chunk(); other = chunk()"));
    }
    assert_eq!(red.eval("counter(); return counter()"), "red2");
    assert_eq!(red.eval("return other()"), "red1");
    assert_eq!(blue.eval("return counter()"), "blue1");
    assert_eq!(image.users(), 2);
}

#[test]
fn a_vm_gives_an_image_back_when_a_full_collection_meets_no_closure_over_it() {
    let _alone = alone();
    let before = stats();
    let state = State::new();
    let image = SharedImage::compile("return function() return 1 end");
    state.clone_as("chunk", &image);
    state.eval("inner = chunk(); chunk = nil");
    state.collect();
    assert_eq!(image.users(), 1, "the inner function still runs the image");
    state.eval("inner = nil");
    state.collect();
    assert_eq!(image.users(), 0);
    drop(image);
    assert_eq!(stats().images, before.images);
    assert_eq!(stats().freed_images, before.freed_images + 1);
}

#[test]
fn a_suspended_coroutine_keeps_the_image_of_its_function() {
    let _alone = alone();
    let state = State::new();
    let image = SharedImage::compile("coroutine.yield(1); return 'end of the image'");
    state.clone_as("chunk", &image);
    state.eval("co = coroutine.create(chunk); chunk = nil; coroutine.resume(co)");
    state.collect();
    assert_eq!(image.users(), 1);
    drop(image);
    assert_eq!(state.eval("return select(2, coroutine.resume(co))"), "end of the image");
}

#[test]
fn generational_mode_gives_images_back_at_full_collections_only() {
    let _alone = alone();
    let state = State::new();
    let image = SharedImage::compile("return function() return 1 end");
    state.clone_as("chunk", &image);
    state.eval("collectgarbage('generational'); inner = chunk(); chunk = nil");
    for _ in 0..20 {
        state.eval("for i = 1, 1000 do local t = { i } end collectgarbage('step')");
    }
    state.eval("inner = nil; collectgarbage('step')");
    state.collect();
    assert_eq!(image.users(), 0);
}

#[test]
fn closing_a_vm_gives_its_images_back() {
    let _alone = alone();
    let image = SharedImage::compile("return 1");
    let state = State::new();
    state.clone_as("chunk", &image);
    drop(state);
    assert_eq!(image.users(), 0);
}

#[test]
fn a_vm_with_a_copy_of_a_constant_finds_its_own_keys_and_the_images() {
    let _alone = alone();
    let state = State::new();
    state.eval("word = table.concat{ 'go', 'ld', '_first' }; mine = { [word] = 'mine' }");
    let private = stats().thin_clones;
    let image = SharedImage::compile(
        "local t = { gold_first = 'image' }
         return t, function() return function(x) return x == 'gold_first', mine.gold_first end end",
    );
    state.clone_as("chunk", &image);
    assert_eq!(stats().thin_clones, private + 1);
    state.eval("t, f = chunk()");
    assert_eq!(state.eval("return t[word]"), "image");
    assert_eq!(state.eval("return tostring(f()(word)) .. select(2, f()(word))"), "truemine");
    for mode in ["incremental", "generational"] {
        state.eval(&format!("collectgarbage('{mode}'); collectgarbage(); collectgarbage('step')"));
        assert_eq!(state.eval("return t[word] .. tostring((f()(word)))"), "imagetrue");
    }
    state.eval("chunk, t, f = nil");
    state.collect();
    assert_eq!(image.users(), 0, "private prototypes go with the last closure");
}

#[test]
fn a_vm_that_comes_after_an_image_needs_no_private_prototypes() {
    let _alone = alone();
    let image = SharedImage::compile("return { silver_after = 1 }");
    let state = State::new();
    let private = stats().thin_clones;
    state.eval("word = table.concat{ 'silver', '_after' }");
    state.clone_as("chunk", &image);
    assert_eq!(state.eval("return chunk()[word]"), "1");
    assert_eq!(stats().thin_clones, private);
}

#[test]
fn a_value_keeps_its_string_when_the_image_is_gone() {
    let _alone = alone();
    let (holder, other) = (State::new(), State::new());
    let text = "a constant too long to be a short string, with a story of its own";
    let image = SharedImage::compile(&format!("return {{ 'copper_held', '{text}' }}"));
    let first = stats();
    holder.clone_as("chunk", &image);
    holder.eval("short, long = table.unpack(chunk()); chunk = nil");
    holder.collect();
    drop(image);
    settle(&[&holder, &other]);
    assert!(stats().limbo >= 2, "both constants wait: {:?}", stats());
    assert_eq!(holder.eval("return short .. #long"), format!("copper_held{}", text.len()));
    assert_eq!(other.eval("return table.concat{ 'copper', '_held' }"), "copper_held");
    for state in [&holder, &other] {
        state.eval("short, long = nil");
        state.collect();
    }
    settle(&[&holder, &other]);
    assert!(stats().limbo < 2, "nothing waits any more: {:?}", stats());
    assert!(stats().freed_strings >= first.freed_strings + 2);
}

#[test]
fn strings_of_images_that_come_and_go_do_not_pile_up() {
    let _alone = alone();
    let state = State::new();
    let mut most = 0;
    let first = stats().string_bytes;
    for round in 0..200 {
        let names: Vec<String> = (0..50).map(|i| format!("r{round}_{i} = {i}")).collect();
        let image = SharedImage::compile(&format!("return {{ {} }}", names.join(", ")));
        state.clone_as("chunk", &image);
        state.eval("chunk()");
        drop(image);
        state.collect();
        most = most.max(stats().string_bytes);
    }
    // A round brings about 4 KiB of strings; 64 KiB in limbo start a census.
    assert!(most - first < 256 * 1024, "{} bytes at most", most - first);
}

#[test]
fn a_renamed_image_tells_its_own_name_in_errors() {
    let _alone = alone();
    let image = SharedImage::compile("return function()\n  error('no')\nend");
    let renamed = image.renamed("@./other/name.lua");
    let state = State::new();
    state.clone_as("first", &image);
    state.clone_as("second", &renamed);
    assert_eq!(state.run("first()()").unwrap_err(), "image.lua:2: no");
    assert_eq!(state.run("second()()").unwrap_err(), "./other/name.lua:2: no");
}

#[test]
fn debug_information_and_dumps_are_those_of_a_private_compilation() {
    let _alone = alone();
    let code = "local a, b = 1, 'x'\nlocal function f(p, ...)\n  local q <const> = p\n  \
                return function() return a, q, ... == nil, b end\nend\nreturn f, a // 2, {b}";
    let code = code.replace("..., == nil, ", "").replace(", ... == nil", "");
    let image = SharedImage::compile(&code);
    let state = State::new();
    state.clone_as("shared", &image);
    state.eval(&format!("private = load([==[{code}]==], '@image.lua')"));
    assert_eq!(state.eval("return string.dump(shared) == string.dump(private)"), "true");
    for what in ["'S'", "'L'", "'u'"] {
        let flat = "local function flat(f, what) local r = {} \
                    for k, v in pairs(debug.getinfo(f, what)) do \
                      if type(v) == 'table' then local n = 0 for l in pairs(v) do n = n + l end v = n end \
                      r[#r + 1] = k .. '=' .. tostring(v) end table.sort(r) return table.concat(r, ' ') end ";
        let (shared, private) = (
            state.eval(&format!("{flat} return flat(shared(), {what})")),
            state.eval(&format!("{flat} return flat(private(), {what})")),
        );
        assert_eq!(shared, private);
    }
}
