//! The command as its users meet it: exit codes, what goes to stdout and what to stderr, and the report in the README.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the repository").to_path_buf()
}

/// Runs the command in the repository's folder.
fn forkcheck(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkcheck"));
    command.args(arguments).current_dir(root()).env_remove("FORKCHECK_LOG").output().expect("the command starts")
}

fn audit(case: &str, more: &[&str]) -> Output {
    let (model, inputs) = (format!("tests/cases/{case}/model.pt"), format!("tests/cases/{case}/inputs.pt"));
    forkcheck(&[&["audit", &model, "--inputs", &inputs], more].concat())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn exit_codes_say_what_was_found() {
    for (case, code) in [("a01_free_function", 0), ("b05_single_draw", 1), ("b01_counter_buffer", 1)] {
        assert_eq!(audit(case, &[]).status.code(), Some(code), "{case}");
    }
    assert_eq!(forkcheck(&["audit"]).status.code(), Some(2), "bad usage");
    assert_eq!(forkcheck(&["audit", "no/such/file.pt"]).status.code(), Some(2), "unreadable input");
    assert_eq!(audit("b01_counter_buffer", &["--method", "nothing"]).status.code(), Some(2), "no such method");
    let nothing_run = forkcheck(&["audit", "tests/cases/a01_free_function/model.pt"]);
    assert_eq!(nothing_run.status.code(), Some(3), "nothing was run");
}

#[test]
fn bad_files_get_one_clear_error() {
    let folder = root().join("tests/bad");
    let legal = [
        "_good.pt",
        "big_endian.pt",
        "deep_pickle.pt",
        "deflate_bomb.pt",
        "dotdot.pt",
        "endless_loop.pt",
        "fork_bomb.pt",
        "huge_alloc.pt",
        "stride0_huge.pt",
        "two_roots.pt",
    ];
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of bad files") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "pt") {
            continue;
        }
        let output = forkcheck(&["audit", &path.to_string_lossy(), "--format", "json"]);
        let code = output.status.code();
        assert!(!stderr(&output).contains("panicked"), "{name}: {}", stderr(&output));
        if legal.contains(&name.as_str()) {
            assert!(code.is_some_and(|code| code < 5), "{name}: {code:?} {}", stderr(&output));
        } else {
            assert_eq!(code, Some(2), "{name}: {}", stderr(&output));
            assert!(stderr(&output).contains(&name), "the message names the file: {}", stderr(&output));
            assert_eq!(stderr(&output).lines().count(), 1, "{name}: {}", stderr(&output));
            assert!(stdout(&output).is_empty());
        }
        count += 1;
    }
    assert!(count > 30, "{count} bad files");
}

#[test]
fn programs_that_run_away_are_cut() {
    for file in ["endless_loop.pt", "fork_bomb.pt", "huge_alloc.pt"] {
        let path = format!("tests/bad/{file}");
        let output = forkcheck(&["audit", &path, "--example", "f32[2,2]", "--budget", "1s", "--max-memory", "256MiB"]);
        assert_eq!(output.status.code(), Some(3), "{file}: {}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains("note: "), "{file}: {}", stdout(&output));
    }
}

#[test]
fn warnings_fail_only_on_request() {
    for (case, plain, denied) in [("a15_three_deep", 0, 1), ("a01_free_function", 0, 0), ("b34_unwaited_list", 1, 1)] {
        assert_eq!(audit(case, &[]).status.code(), Some(plain), "{case}");
        assert_eq!(audit(case, &["--deny", "warnings"]).status.code(), Some(denied), "{case}");
    }
    let shown = stdout(&audit("a15_three_deep", &[]));
    assert!(shown.starts_with("warning[FC0303]: a pool that blocks at a wait needs at least 3 threads\n"), "{shown}");
    assert!(shown.contains("main/outer#0 waits here for main/outer#0/middle#0\n"), "{shown}");
    assert!(shown.contains("\npure: "), "{shown}");
}

#[test]
fn a_printed_schedule_is_replayed() {
    let report: serde_json::Value =
        serde_json::from_slice(&audit("b06_memo", &["--format", "json"]).stdout).expect("JSON");
    let replay = report["replay"].as_str().expect("a command").to_string();
    let words: Vec<&str> = replay.split(' ').skip(1).collect();
    let output = forkcheck(&[&words[..], &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{replay}: {}", stderr(&output));
    let again: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(again["outcomes"]["witnesses"][0]["digest"], report["outcomes"]["witnesses"][1]["digest"]);
    // The same schedule does not apply to another program, and flags that contradict it are bad usage.
    let other = forkcheck(&[
        "replay",
        words[1],
        "tests/cases/b02_int_attribute/model.pt",
        "--inputs",
        "tests/cases/b02_int_attribute/inputs.pt",
    ]);
    assert_eq!(other.status.code(), Some(4), "{}", stderr(&other));
    assert_eq!(forkcheck(&[&words[..], &["--atomicity", "op"]].concat()).status.code(), Some(2));
    assert_eq!(forkcheck(&["replay", "fc1.nonsense", "tests/cases/b06_memo/model.pt"]).status.code(), Some(2));
}

#[test]
fn results_are_saved_and_compared() {
    let saved = std::env::temp_dir().join(format!("forkcheck-{}.pt", std::process::id()));
    let saved = saved.to_string_lossy();
    let run = |more: &[&str]| {
        let target =
            ["run", "tests/cases/a11_future_tuple/model.pt", "--inputs", "tests/cases/a11_future_tuple/inputs.pt"];
        forkcheck(&[&target[..], more].concat())
    };
    assert_eq!(run(&["--save", &saved]).status.code(), Some(0));
    assert_eq!(run(&["--expect", &saved]).status.code(), Some(0));
    let other = run(&["--expect", "tests/cases/a01_free_function/expected.pt"]);
    assert_eq!(other.status.code(), Some(1), "{}", stderr(&other));
    std::fs::remove_file(&*saved).expect("it was written");
}

#[test]
fn the_random_strategy_repeats_a_run_from_its_seed() {
    let report = |seed: &str| {
        let output =
            audit("b25_rnn_state", &["--strategy", "random", "--seed", seed, "--budget", "1", "--format", "json"]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        report["outcomes"]["witnesses"].clone()
    };
    assert_eq!(report("7"), report("7"));
}

#[cfg(feature = "loom")]
#[test]
fn loom_runs_small_programs_and_refuses_others() {
    let small = audit("b01_counter_buffer", &["--strategy", "loom", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&small.stdout).expect("JSON");
    assert_eq!((&report["strategy"], &report["assurance"]), (&"loom".into(), &"exhausted".into()));
    assert_eq!(report["outcomes"]["distinct"], 4);
    let many = audit("a04_nested_forks", &["--strategy", "loom"]);
    assert_eq!(many.status.code(), Some(2));
    assert!(many.stdout.is_empty());
    assert!(stderr(&many).contains("loom runs at most 4 forks"), "{}", stderr(&many));
    assert!(stderr(&many).contains("--strategy dpor"), "{}", stderr(&many));
}

#[cfg(not(feature = "loom"))]
#[test]
fn without_loom_its_strategy_says_so() {
    let refused = audit("b01_counter_buffer", &["--strategy", "loom"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("built without its feature `loom`"), "{}", stderr(&refused));
}

#[test]
fn the_readme_shows_a_real_report() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let command = readme.lines().find(|line| line.contains("cargo run")).expect("the first command");
    let arguments: Vec<&str> = command.split(" -- ").nth(1).expect("arguments").split(' ').collect();
    let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a report");
    assert_eq!(stdout(&forkcheck(&arguments)), shown);
}

#[test]
fn every_code_is_explained_and_graphs_are_printed() {
    let codes = stdout(&forkcheck(&["explain"]));
    for line in codes.lines() {
        let code = line.split(' ').next().expect("a code");
        assert!(stdout(&forkcheck(&["explain", code])).starts_with(code));
    }
    assert_eq!(forkcheck(&["explain", "FC9999"]).status.code(), Some(2));
    let graph = stdout(&forkcheck(&["graph", "tests/cases/a15_three_deep/model.pt"]));
    assert!(
        graph.starts_with("graph(") && graph.contains("prim::fork") && graph.contains("with prim::fork_0"),
        "{graph}"
    );
}
