//! The command line itself: help, completions, manual pages, settings and their errors.

use crate::support::{Ended, Running, Scratch};

#[test]
fn help_of_every_command_shows_examples() {
    let scratch = Scratch::new("help");
    for command in ["run", "lua", "check", "shm", "completions", "man"] {
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
    let run = std::fs::read_to_string(scratch.path("pages/moonhive-run.1")).unwrap();
    let example = "\n  moonhive run \\-\\-threads 4 \\-\\-stats main.lua      four workers, figures at exit\n";
    assert!(run.contains(example) && run.contains("\n.nf\n"), "examples stay as they are: {run}");
    let root = std::fs::read_to_string(scratch.path("pages/moonhive.1")).unwrap();
    let named = root.lines().filter_map(|line| line.strip_suffix("(1)"));
    for page in named.map(|name| name.replace("\\-", "-")) {
        assert!(scratch.path("pages").join(format!("{page}.1")).exists(), "no page {page}(1)");
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
         hint: `moonhive help run` lists the settings; a key is a flag without `--`\n"
    );
}

#[test]
fn a_wrong_flag_value_is_refused_with_what_was_expected() {
    let scratch = Scratch::new("wrong_flag");
    let ended = scratch.run(["run", "--memory-limit", "lots", "main.lua"]).expect_code(2);
    assert!(ended.stderr.contains("16MiB"), "{}", ended.stderr);
}

/// Runs an empty main service with variables set.
fn run_with(scratch: &Scratch, variables: &[(&str, &str)], flags: &[&str]) -> Ended {
    scratch.file("main.lua", "");
    let line = [&["run"], flags, &["main.lua"]].concat();
    let mut command = scratch.moonhive(line);
    command.envs(variables.iter().copied());
    Running::start(command).wait()
}

#[test]
fn a_wrong_variable_is_named_and_not_its_flag() {
    let scratch = Scratch::new("wrong_variable");
    for (name, value, expect) in [
        ("MOONHIVE_THREADS", "many", "expected a whole number from 1 to 1024, got `many`"),
        ("MOONHIVE_CACHE", "MAYBE", "unknown cache mode 'MAYBE'"),
        ("MOONHIVE_MEMORY_LIMIT", "lots", "expected a size like"),
        ("MOONHIVE_TURN_LIMIT", "soon", "expected a time like"),
        ("MOONHIVE_GRACE", "soon", "expected a time like"),
        ("MOONHIVE_COMPAT", "5.1", "expected 5.4, skynet or off, got `5.1`"),
        ("MOONHIVE_LOG", "loud", "expected error, warn"),
        ("MOONHIVE_STATS", "maybe", "value was not a boolean"),
    ] {
        let ended = run_with(&scratch, &[(name, value)], &[]).expect_code(2);
        let expect = format!("error: {name}: {expect}");
        assert!(ended.stderr.starts_with(&expect), "{}", ended.stderr);
    }
    let ended = run_with(&scratch, &[("MOONHIVE_THREADS", "1")], &["--threads=x"]).expect_code(2);
    assert!(ended.stderr.contains("--threads"), "{}", ended.stderr);
}

#[test]
fn an_empty_variable_counts_as_none() {
    let scratch = Scratch::new("empty_variable");
    let names =
        ["THREADS", "PATH", "CACHE", "MEMORY_LIMIT", "TURN_LIMIT", "COMPAT", "LOG", "STATS"];
    let names = names.into_iter().chain(["CONFIG"]).map(|name| format!("MOONHIVE_{name}"));
    let names: Vec<String> = names.collect();
    let variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(run_with(&scratch, &variables, &[]).expect_code(0).stderr, "");
}

#[test]
fn a_variable_wins_over_the_file_and_a_flag_over_both() {
    let scratch = Scratch::new("layers");
    scratch.file("hive.toml", "stats = true\ncache = 'OFF'\nlog = 'debug'\n");
    let config = ("MOONHIVE_CONFIG", "hive.toml");
    let log = |variables: &[(&str, &str)], flags: &[&str]| {
        let all = [&[config], variables].concat();
        run_with(&scratch, &all, flags).expect_code(0).stderr
    };
    let of_file = log(&[], &[]);
    assert!(of_file.contains("services  ") && of_file.contains(" DEBUG "), "{of_file}");
    let variables = [("MOONHIVE_STATS", "false"), ("MOONHIVE_LOG", "warn")];
    assert_eq!(log(&variables, &[]), "");
    let of_flags = log(&variables, &["--stats", "--log", "debug"]);
    assert!(of_flags.contains("services  ") && of_flags.contains(" DEBUG "), "{of_flags}");
    assert_eq!(log(&[], &["--stats=false", "--log", "warn"]), "");
}

#[test]
fn directories_add_up_and_empty_ones_do_not_count() {
    let scratch = Scratch::new("directories");
    for (dir, module) in [("a", "one"), ("b", "two"), ("c", "three")] {
        std::fs::create_dir(scratch.path(dir)).unwrap();
        scratch.file(&format!("{dir}/{module}.lua"), "return true");
    }
    scratch.file("hive.toml", "path = ['c']\n");
    let run = |variable: &str, flags: &[&str], modules: &str| {
        let requires: Vec<String> =
            modules.split(' ').map(|name| format!("require '{name}'")).collect();
        scratch.file("uses.lua", &requires.join("\n"));
        let line = [&["run", "--config", "hive.toml"], flags, &["uses.lua"]].concat();
        let mut command = scratch.moonhive(line);
        command.env("MOONHIVE_PATH", variable);
        Running::start(command).wait()
    };
    for variable in ["a:b", ":a:b", "a::b", "a:b:"] {
        run(variable, &[], "one two three").expect_code(0);
    }
    // A flag takes the place of its variable, as everywhere.
    run("a", &["--path", "b"], "two three").expect_code(0);
    run("a", &["--path", "b"], "one").expect_code(1);
}

#[test]
fn limits_that_nothing_can_keep_are_refused() {
    let scratch = Scratch::new("least_limits");
    let ended = run_with(&scratch, &[], &["--memory-limit", "0"]).expect_code(2);
    assert!(
        ended.stderr.contains("`0` is too little for a service: expected 64KiB or more"),
        "{ended:?}"
    );
    let ended = run_with(&scratch, &[], &["--turn-limit", "1us"]).expect_code(2);
    assert!(ended.stderr.contains("expected 1ms or more, or 0s for no limit"), "{ended:?}");
    let ended = run_with(&scratch, &[], &["--grace", "soon"]).expect_code(2);
    assert!(ended.stderr.contains("expected a time like 250ms, 2s or 1m, got `soon`"), "{ended:?}");
    run_with(&scratch, &[], &["--memory-limit", "64KiB", "--grace", "0s"]).expect_code(0);
}

#[test]
fn the_help_names_the_turn_limit_that_holds() {
    let scratch = Scratch::new("help_turn_limit");
    let help = scratch.run(["run", "--help"]).expect_code(0).stdout;
    let limit = moonhive::actor::limits::TURN_LIMIT;
    assert!(help.contains(&format!("[default: {limit:?}]")), "{help}");
}
