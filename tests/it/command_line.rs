//! The command line itself: help, completions, manual pages, settings and their errors.

use crate::support::Scratch;

#[test]
fn help_of_every_command_shows_examples() {
    let scratch = Scratch::new("help");
    for command in ["run", "lua", "check", "completions", "man"] {
        let help = scratch.run([command, "--help"]).expect_code(0).stdout;
        assert!(help.contains(&format!("moonhive {command}")), "{help}");
    }
}

#[test]
fn completions_are_scripts_for_their_shell() {
    let scratch = Scratch::new("completions");
    let bash = scratch.run(["completions", "bash"]).expect_code(0).stdout;
    assert!(bash.contains("complete -F _moonhive"), "{bash}");
    let fish = scratch.run(["completions", "fish"]).expect_code(0).stdout;
    assert!(fish.contains("complete -c moonhive"), "{fish}");
}

#[test]
fn manual_pages_are_written_one_for_each_command() {
    let scratch = Scratch::new("manual");
    scratch.run(["man", "--dir", "pages"]).expect_code(0);
    for page in ["moonhive.1", "moonhive-run.1"] {
        let text = std::fs::read_to_string(scratch.path("pages").join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}: {text}");
    }
}

#[test]
fn a_mistake_in_the_settings_file_is_reported_with_line_and_field() {
    let scratch = Scratch::new("settings_mistake");
    scratch.file("hive.toml", "stats = true\ncache = 'SOMETIMES'\n").file("main.lua", "");
    let ended = scratch.run(["run", "--config", "hive.toml", "main.lua"]).expect_code(2);
    assert_eq!(
        ended.stderr,
        "error: hive.toml:2: cache: unknown cache mode 'SOMETIMES': expected OFF, EXIST or ON\n\
         hint: `moonhive help run` lists the settings; a key is a flag without its dashes\n"
    );
}

#[test]
fn a_wrong_flag_value_is_refused_with_what_was_expected() {
    let scratch = Scratch::new("wrong_flag");
    let ended = scratch.run(["run", "--memory-limit", "lots", "main.lua"]).expect_code(2);
    assert!(ended.stderr.contains("64KiB"), "{}", ended.stderr);
}
