//! The command as its users meet it: exit codes, what goes to stdout and what to stderr, and the report in the README.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the repository").to_path_buf()
}

/// Runs the command in the repository's folder; failures are not stored.
fn forkcheck(arguments: &[&str]) -> Output {
    storing("off", arguments)
}

/// Runs the command in the repository's folder; failures are stored where it is said.
fn storing(persist: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkcheck"));
    command.args(arguments).current_dir(root()).env_remove("FORKCHECK_LOG").env("FORKCHECK_PERSIST", persist);
    command.output().expect("the command starts")
}

/// A folder of its own for a test, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("forkcheck {name} {}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    /// Puts the program of a case here.
    fn put(&self, case: &str, name: &str) -> String {
        let to = self.path(name);
        std::fs::copy(root().join("tests/cases").join(case).join("model.pt"), &to).expect("a copy");
        to
    }

    /// The files of stored failures.
    fn failures(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.0.join("failures")) else { return Vec::new() };
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The JSON report without the time that it took.
fn report(output: &Output) -> serde_json::Value {
    let mut report: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(output)));
    report["stats"]["seconds"] = 0.into();
    report
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
    // Without inputs nothing is run, and all inputs are spoken of.
    for (case, code) in [("a01_free_function", 0), ("b01_counter_buffer", 1)] {
        let model = format!("tests/cases/{case}/model.pt");
        assert_eq!(forkcheck(&["audit", &model]).status.code(), Some(code), "{case} on all inputs");
    }
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
fn a_failure_is_stored_run_first_and_dropped_when_it_is_stale() {
    let folder = Folder::new("stored");
    let (model, failures) = (folder.put("b14_parent_writes", "model.pt"), folder.path("failures"));
    let audit = |persist: &str, more: &[&str]| {
        let arguments = ["audit", &model, "--example", "f32[3]", "--seed", "5", "--format", "json"];
        storing(persist, &[&arguments[..], more].concat())
    };
    let plain = audit("off", &[]);
    assert!(folder.failures().is_empty() && stderr(&plain).is_empty(), "{}", stderr(&plain));
    // Stored at first, then run first; the report does not change.
    let first = audit(&failures, &[]);
    let [file] = &folder.failures()[..] else { panic!("one failure: {:?}", folder.failures()) };
    let file = file.to_string_lossy().into_owned();
    assert!(stderr(&first).contains("stored; both outcomes again: forkcheck replay"), "{}", stderr(&first));
    let second = audit(&failures, &[]);
    assert!(stderr(&second).contains("was run first: it still fails"), "{}", stderr(&second));
    for output in [&first, &second] {
        assert_eq!((output.status.code(), report(output)), (Some(1), report(&plain)));
    }
    // Where the audit itself goes one way only, the stored failure is still in hand, and the report says why.
    let one_way = audit(&failures, &["--strategy", "child-first"]);
    assert_eq!(report(&one_way)["verdict"], "nondeterministic");
    assert!(report(&one_way)["notes"][0].as_str().is_some_and(|note| note.starts_with("only a stored failure")));
    assert_eq!(report(&audit("off", &["--strategy", "child-first"]))["verdict"], "impure");
    // Repeated from the file alone, wherever one stands, and whatever flags agree with it.
    let replay = |more: &[&str]| storing("off", &[&["replay", &file, "--format", "json"], more].concat());
    let again = replay(&[]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert_eq!(report(&again)["outcomes"]["witnesses"], report(&plain)["outcomes"]["witnesses"]);
    assert_eq!(report(&again)["outcomes"]["first_difference"], report(&plain)["outcomes"]["first_difference"]);
    assert!(stdout(&storing("off", &["replay", &file])).starts_with("error[FC0105]"), "text, too");
    for flags in [["--method", "other"], ["--atomicity", "op"]] {
        assert_eq!(replay(&flags).status.code(), Some(2), "{flags:?}");
    }
    // Other inputs have other outcomes, but still two.
    let other_inputs = replay(&["--seed", "6"]);
    assert_eq!(other_inputs.status.code(), Some(0), "{}", stderr(&other_inputs));
    assert!(stderr(&other_inputs).contains("the inputs have changed"));
    // Another program takes the place of this one.
    folder.put("a01_free_function", "model.pt");
    let stale = replay(&[]);
    assert_eq!(stale.status.code(), Some(4), "{}", stderr(&stale));
    assert!(stderr(&stale).contains("the program has changed") && stderr(&stale).contains("error: stale: "));
    let lenient = replay(&["--lenient"]);
    assert_eq!(lenient.status.code(), Some(4), "one outcome is no failure: {}", stderr(&lenient));
    assert!(stderr(&lenient).contains("left out: "), "{}", stderr(&lenient));
    let dropped = audit(&failures, &[]);
    assert_eq!(dropped.status.code(), Some(0));
    assert!(stderr(&dropped).contains("warning: ") && stderr(&dropped).contains("is stale: "), "{}", stderr(&dropped));
    assert!(stderr(&dropped).contains("was removed: it is stale"), "{}", stderr(&dropped));
    assert!(folder.failures().is_empty());
}

#[test]
fn files_of_failures_that_cannot_be_used_do_no_harm() {
    let folder = Folder::new("harmless");
    let (model, failures) = (folder.put("b14_parent_writes", "model.pt"), folder.path("failures"));
    let arguments = ["audit", &model, "--example", "f32[3]", "--format", "json"];
    let plain = report(&storing("off", &arguments));
    // A folder that cannot be made: a file stands in its way.
    let nowhere = storing(&format!("{model}/failures"), &arguments);
    assert_eq!((nowhere.status.code(), report(&nowhere)), (Some(1), plain.clone()));
    assert!(stderr(&nowhere).contains("warning: the failure is not stored"), "{}", stderr(&nowhere));
    // A file that was damaged is said to be, and replaced.
    storing(&failures, &arguments);
    let file = folder.failures().pop().expect("a stored failure");
    let whole = std::fs::read_to_string(&file).expect("it can be read");
    for damaged in ["", "{}", &whole[..whole.len() / 2], &whole.replace("\"format\": 1", "\"format\": 9")] {
        std::fs::write(&file, damaged).expect("it can be written");
        let replay = storing("off", &["replay", &file.to_string_lossy()]);
        assert_eq!(replay.status.code(), Some(2), "{}", stderr(&replay));
        assert!(stderr(&replay).contains("expected a stored failure"), "{}", stderr(&replay));
        let again = storing(&failures, &arguments);
        assert_eq!((again.status.code(), report(&again)), (Some(1), plain.clone()));
        assert!(stderr(&again).contains("is ignored: "), "{}", stderr(&again));
        assert_eq!(std::fs::read_to_string(&file).expect("it can be read"), whole);
    }
    // Only the file is left, no draft of it.
    assert_eq!(folder.failures().len(), 1);
    assert_eq!(storing("", &arguments).status.code(), Some(2), "neither a folder nor off");
    assert_eq!(forkcheck(&["replay", "no/such/file.json"]).status.code(), Some(2));
    assert_eq!(forkcheck(&["replay", "fc1.op.aaaaa.k4wqksa"]).status.code(), Some(2), "no program");
}

/// What is printed is pasted into a shell, in the folder where the audit was.
#[cfg(unix)]
#[test]
fn the_replay_line_is_for_a_shell() {
    let folder = Folder::new("it's $HOME");
    let model = folder.put("b14_parent_writes", "a model's.pt");
    let bin = Path::new(env!("CARGO_BIN_EXE_forkcheck")).parent().expect("the command is in a folder");
    for seed in ["0", "11"] {
        let failures = folder.path("failures");
        let output = storing(
            &failures,
            &["audit", &model, "--example", "f32[3]", "--seed", seed, "--format", "json", "--max-memory", "1GiB"],
        );
        let of_schedule = report(&output)["replay"].as_str().expect("a line").to_string();
        let of_failure =
            stderr(&output).lines().last().expect("a line").split_once("again: ").expect("a command").1.to_string();
        for line in [of_schedule, of_failure] {
            let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
            let script = format!("{line} --format json");
            let shell = Command::new("sh")
                .args(["-c", &script])
                .current_dir(root())
                .env("PATH", path)
                .output()
                .expect("a shell");
            assert_eq!(shell.status.code(), Some(0), "{line}: {}", stderr(&shell));
            let again = report(&shell);
            let witness = again["outcomes"]["witnesses"].as_array().and_then(|all| all.last()).expect("a witness");
            assert_eq!(witness["digest"], report(&output)["outcomes"]["witnesses"][1]["digest"], "{line}");
        }
    }
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
    for strategy in ["threads:1", "threads:3", "random"] {
        assert_eq!(run(&["--expect", &saved, "--strategy", strategy]).status.code(), Some(0), "{strategy}");
    }
    let many = run(&["--strategy", "threads:1000000000"]);
    assert_eq!(many.status.code(), Some(2));
    assert!(stderr(&many).contains("expected at most 1024 threads"), "{}", stderr(&many));
    let searched = run(&["--strategy", "dpor"]);
    assert_eq!(searched.status.code(), Some(2));
    assert!(stderr(&searched).contains("or threads:N, not dpor"), "{}", stderr(&searched));
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
    assert!(stderr(&many).contains("use the strategy `dpor`"), "{}", stderr(&many));
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
fn the_readme_shows_what_holds_for_all_inputs() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let section = readme.split("## What holds for all inputs").nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let blocks: Vec<&str> = section.split("```").skip(1).step_by(2).collect();
    let pairs: Vec<_> = blocks.chunks(2).collect();
    assert_eq!(pairs.len(), 3);
    for pair in pairs {
        let arguments: Vec<&str> = pair[0].trim_start_matches("sh\nforkcheck ").trim().split(' ').collect();
        let printed = stdout(&forkcheck(&arguments));
        let (kind, shown) = pair[1].split_once('\n').expect("what is printed");
        if kind == "text" {
            assert_eq!(printed, shown);
            continue;
        }
        // It is shortened: what is there stands in the report, in this order.
        let mut printed = printed.lines().map(str::trim);
        let mut lines = 0;
        for line in shown.lines().map(str::trim).filter(|line| *line != "…") {
            assert!(printed.any(|found| found == line), "{line}");
            lines += 1;
        }
        assert!(lines > 20);
    }
}

#[test]
fn a_graph_is_shown_with_its_effects_or_drawn() {
    let path = "tests/cases/b14_parent_writes/model.pt";
    let plain = stdout(&forkcheck(&["graph", path]));
    let with = stdout(&forkcheck(&["graph", path, "--effects"]));
    let without: String =
        with.lines().filter(|line| !line.trim_start().starts_with('#')).map(|l| format!("{l}\n")).collect();
    assert_eq!(without, plain);
    assert!(with.contains("\n# main/total#0: pure; main writes local y meanwhile; may run beside main\n"), "{with}");
    // What is printed can be asked again.
    let folder = Folder::new("effects");
    let copy = folder.path("shown.ir");
    std::fs::write(&copy, &with).expect("a file");
    let again = forkcheck(&["graph", &copy]);
    assert_eq!((again.status.code(), stdout(&again)), (Some(0), plain));
    let drawing = stdout(&forkcheck(&["graph", path, "--effects", "--format", "dot"]));
    assert!(drawing.starts_with("digraph {") && drawing.contains("style=dashed"), "{drawing}");
    assert!(drawing.contains("\\lreads local y; writes local y\\l"), "{drawing}");
}

#[test]
fn reports_go_where_people_look() {
    let folder = Folder::new("formats");
    let starts = [
        ("text", "error[FC0105]: "),
        ("json", "{\n  \"schema_version\": 1"),
        ("sarif", "{\n  \"$schema\": "),
        ("junit", "<?xml version=\"1.0\""),
        ("github", "::error file=source.py,line=14,col=9,title="),
    ];
    for (format, start) in starts {
        let shown = audit("b14_parent_writes", &["--format", format]);
        assert!(stdout(&shown).starts_with(start), "{format}: {}", stdout(&shown));
        let file = folder.path(format);
        let written = audit("b14_parent_writes", &["--format", format, "--output", &file]);
        assert!(stdout(&written).is_empty());
        let text = std::fs::read_to_string(&file).expect("it was written");
        assert!(text.starts_with(start), "{format}: {text}");
        assert_eq!((shown.status.code(), written.status.code()), (Some(1), Some(1)), "{format}");
    }
    // Warnings that are denied are errors wherever one looks, and the exit code is the one that is reported.
    let denied = audit("a15_three_deep", &["--format", "sarif", "--deny", "warnings"]);
    let log: serde_json::Value = serde_json::from_slice(&denied.stdout).expect("JSON");
    let run = &log["runs"][0];
    assert_eq!((&run["results"][0]["level"], &run["invocations"][0]["exitCode"]), (&"error".into(), &1.into()));
    assert_eq!(denied.status.code(), Some(1));
    assert_eq!(forkcheck(&["replay", "fc1.x", "no.pt", "--format", "sarif"]).status.code(), Some(2), "of audits only");
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

#[test]
fn the_text_of_a_graph_is_printed_and_never_run() {
    let path = "model/tests/graphs/a04_nested_forks.ir";
    let printed = stdout(&forkcheck(&["graph", path]));
    assert!(printed.starts_with("graph(") && printed.contains("with prim::fork_0 = graph("), "{printed}");
    // A text is known by its first words; its own print is read too.
    let folder = Folder::new("graph text");
    let copy = folder.path("graph.txt");
    std::fs::write(&copy, &printed).expect("a file");
    assert_eq!(stdout(&forkcheck(&["graph", &copy])), printed);

    let audited = forkcheck(&["audit", path, "--static-only"]);
    assert_eq!(audited.status.code(), Some(3), "{}", stderr(&audited));
    // What is forked calls a function that the text does not have.
    assert!(stdout(&audited).contains("nobody knows what `node` reads and writes"), "{}", stdout(&audited));
    let traced = forkcheck(&["audit", "model/tests/graphs/a14_traced.ir", "--static-only"]);
    assert!(stdout(&traced).contains("proved: for all inputs"), "{}", stdout(&traced));
    for command in [&["audit", path, "--example", "f32[2]"][..], &["run", path], &["audit", path]] {
        let refused = forkcheck(command);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("a04_nested_forks.ir: expected an archive: the text of a graph"));
    }

    let method = forkcheck(&["graph", path, "--method", "other"]);
    assert_eq!(method.status.code(), Some(2));
    assert!(stderr(&method).contains("expected no --method"), "{}", stderr(&method));

    let bad = folder.path("bad.ir");
    std::fs::write(&bad, "graph(%x : Tensor):\n  return (%y)\n").expect("a file");
    let refused = forkcheck(&["graph", &bad]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("bad.ir: line 2, column 11: expected a value that is bound here, found `%y`"));
}
