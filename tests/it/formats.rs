//! Reports for where people look: what SARIF, JUnit and GitHub's annotations say, and that any text comes through whole.

use forkcheck::Config;
use forkcheck::audit::audit;
use forkcheck::report::{FindingReport, ForkReport, Report, Verdict, explain, github, junit, sarif};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value as Plain;
use forkcheck_tests::archive::program_of;
use forkcheck_tests::{case, cases};
use proptest::prelude::*;
use serde_json::Value;

fn report(name: &str) -> Report {
    audit(&case(name).program().expect("it loads"), &Config::default())
}

fn log(report: &Report) -> Value {
    serde_json::from_str(&sarif::render(report)).expect("a log is JSON")
}

fn results(report: &Report) -> Vec<Value> {
    log(report)["runs"][0]["results"].as_array().expect("results").clone()
}

/// `source.py:13`.
fn place(location: &Value) -> String {
    let physical = &location["physicalLocation"];
    let file = physical["artifactLocation"]["uri"].as_str().expect("a file");
    format!("{file}:{}", physical["region"]["startLine"])
}

/// Each thread as its task and its steps.
fn threads(result: &Value) -> Vec<String> {
    let step = |step: &Value| {
        let location = &step["location"];
        format!(
            "{} {}",
            place(location).rsplit('/').next().expect("a name"),
            location["message"]["text"].as_str().expect("a text")
        )
    };
    let steps = |thread: &Value| thread["locations"].as_array().expect("steps").iter().map(step).collect::<Vec<_>>();
    let thread = |thread: &Value| format!("{}: {}", thread["id"].as_str().unwrap_or("?"), steps(thread).join(", "));
    let flow = &result["codeFlows"][0];
    flow["threadFlows"].as_array().expect("threads").iter().map(thread).collect()
}

#[test]
fn a_code_flow_leads_from_the_fork_to_the_write_and_shows_the_other_side() {
    let of = |name: &str, i: usize| threads(&results(&report(name))[i]);
    assert_eq!(
        of("b25_rnn_state", 0),
        [
            "main/sequence#0: source.py:31 task main/sequence#0 is forked here, \
             source.py:25 calls __torch__.b25_rnn_state.Cell.forward, \
             source.py:15 prim::SetAttr in task main/sequence#0: self.cell.h",
            "main/sequence#1: source.py:32 task main/sequence#1 is forked here, \
             source.py:14 races with the read of prim::GetAttr in task main/sequence#1",
        ]
    );
    // The caller's own write: the fork is that of the other side.
    assert_eq!(
        of("b14_parent_writes", 0),
        [
            "main: source.py:14 aten::add_ in task main: local y",
            "main/total#0: source.py:13 task main/total#0 is forked here, \
             source.py:7 races with the read of aten::sum in task main/total#0",
        ]
    );
    // What a library writes for the user: the flow ends where it is written.
    assert_eq!(
        of("b03_batchnorm_train", 0),
        [
            "main/forward#0: source.py:12 task main/forward#0 is forked here, \
             batchnorm.py:193 calls __torch__.torch.nn.functional.batch_norm, \
             functional.py:2822 aten::batch_norm in task main/forward#0: self.bn.running_mean, self.bn.running_var",
            "main/forward#1: source.py:13 task main/forward#1 is forked here, \
             source.py:13 races with the write of aten::batch_norm in task main/forward#1",
        ]
    );
    // Nobody else touches it, or only the caller's look, which has no place.
    for name in ["b05_single_draw", "b15_unwaited_mutation"] {
        assert_eq!(of(name, 0).len(), 1, "{name}");
    }
    // Waits that need threads: one thread for each.
    let waiting = of("a15_three_deep", 0);
    assert_eq!(waiting.len(), 2, "{waiting:?}");
    assert!(waiting[0].ends_with("source.py:17 main/outer#0 waits for main/outer#0/middle#0"), "{waiting:?}");
}

#[test]
fn a_result_has_one_place_and_all_that_code_scanning_wants() {
    for case in cases() {
        let report = audit(&case.program().expect("it loads"), &Config::default());
        let log = log(&report);
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
        assert_eq!(rules.len(), explain::RULES.len());
        let results = run["results"].as_array().expect("results");
        assert_eq!(results.len(), report.findings.len(), "{}", case.name);
        for (result, finding) in results.iter().zip(&report.findings) {
            assert_eq!(result["locations"].as_array().map(Vec::len), Some(1));
            let (file, line) = (finding.file.as_ref().expect("a file"), finding.line.expect("a line"));
            assert_eq!(place(&result["locations"][0]), format!("{file}:{line}"), "{}", case.name);
            let rule = &rules[result["ruleIndex"].as_u64().expect("an index") as usize];
            assert_eq!((&rule["id"], &result["ruleId"]), (&finding.code.into(), &finding.code.into()));
            assert_eq!(result["level"], finding.severity);
            let text = result["message"]["text"].as_str().expect("a text");
            assert!(text.len() <= 1024 && text.ends_with('.'), "{text}");
            // What is linked is there.
            let related = result["relatedLocations"].as_array().map_or(0, Vec::len);
            assert_eq!((1..=related + 1).filter(|id| text.contains(&format!("]({id})"))).count(), related, "{text}");
        }
        let invocation = &run["invocations"][0];
        assert_eq!(invocation["exitCode"], report.exit_code());
        assert_eq!(invocation["executionSuccessful"], report.verdict != Some(Verdict::Unknown));
        assert_eq!(run["properties"]["verdict"], report.verdict.expect("a verdict").name());
        assert_eq!(run["properties"]["replay"].as_str(), report.replay.as_deref());
        // The same again, and nothing of this machine in it.
        let text = sarif::render(&report);
        assert_eq!(text, sarif::render(&audit(&case.program().expect("it loads"), &Config::default())));
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{}", case.name);
    }
}

/// Each result's fingerprint and line.
fn fingerprints(code: &str) -> Vec<(String, u64)> {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let x = Plain::Tensor(Tensor::from_vec(&mut allocator, &[2], &[1.0f32, 2.0]).expect("two elements"));
    let report = audit(&program_of(code, &[], vec![x]), &Config::default());
    let row = |result: &Value| {
        let print = result["partialFingerprints"]["forkcheckFinding/v1"].as_str().expect("a fingerprint").to_string();
        let line = result["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64().expect("a line");
        (print, line)
    };
    results(&report).iter().map(row).collect()
}

#[test]
fn a_fingerprint_outlasts_edits_elsewhere() {
    let code = |before: &str, write: &str| {
        format!(
            "class M(Module):\n  __parameters__ = []\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.work(x, )
    a = fork(__forked_function)
    def __forked_function0():
      return __torch__.work(x, )
    b = fork(__forked_function0)
    return torch.add(torch.wait(a), torch.wait(b))\n{before}def work(x: Tensor) -> Tensor:\n  _0 = {write}\n  return x\n"
        )
    };
    let first = fingerprints(&code("", "torch.add_(x, 1)"));
    let moved = fingerprints(&code("def other(x: Tensor) -> Tensor:\n  return x\n", "torch.add_(x, 1)"));
    assert!(!first.is_empty());
    assert_eq!(moved, first.iter().map(|(print, line)| (print.clone(), line + 2)).collect::<Vec<_>>());
    // No two are the same, those of another write are others.
    let edited = fingerprints(&code("", "torch.mul_(x, 1)"));
    let all: std::collections::BTreeSet<_> = first.iter().chain(&edited).map(|row| &row.0).collect();
    assert_eq!(all.len(), first.len() + edited.len());
}

#[test]
fn annotations_stand_on_the_lines_and_the_verdict_comes_last() {
    assert_eq!(
        github::render(&report("b14_parent_writes")),
        "::error file=source.py,line=14,col=9,title=FC0105 parent-mutation::\
         `local y` is written while a fork uses it%0Aaten::add_ in task main at source.py:14%0Aforked at source.py:13%0A\
         races with the read of aten::sum in task main/total#0 at source.py:7%0A\
         help: wait for the fork before the write, or give it a clone\n\
         ::notice title=forkcheck forward of b14_parent_writes::nondeterministic: the result depends on the schedule: \
         2 different outcomes%0Aexhausted: on this input every schedule that could differ was run (2 executions)%0A\
         1 fork, 0 impure%0Areplay: forkcheck replay fc1.split.nqqkq.aeqc65dporqwyizqaiak2zd2wj3a.5eszami b14_parent_writes\n"
    );
}

#[test]
fn github_shows_ten_of_each_kind_and_the_log_has_the_rest() {
    let mut report = report("b14_parent_writes");
    let finding = report.findings[0].clone();
    report.findings = vec![finding.clone(); 25];
    report.findings.push(FindingReport { severity: "warning", ..finding.clone() });
    report.possible = vec![FindingReport { targets: vec!["##[group]\n::error::x".into()], ..finding }; 12];
    let text = github::render(&report);
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("::error "), count("::warning "), count("::notice ")), (10, 1, 10));
    assert_eq!((count("error[FC0105]: source.py:14: "), count("notice[FC0105]: source.py:14: ")), (15, 3));
    assert_eq!(text.lines().count(), 25 + 1 + 12 + 1, "each on a line");
    assert!(text.lines().all(|line| line.starts_with("::") || !line.contains("##[")), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.starts_with("::notice title=forkcheck ")), "{text}");
}

#[test]
fn of_many_names_a_few_are_read() {
    let mut report = report("b14_parent_writes");
    let layers = |count: usize| (0..count).map(|i| format!("self.layers[{i}]")).collect::<Vec<_>>();
    for (count, title) in [
        (1, "`self.layers[0]` is written"),
        (4, "`self.layers[0]`, `self.layers[1]`, `self.layers[2]`, `self.layers[3]` is written"),
        (12, "`self.layers[0]`, `self.layers[1]`, `self.layers[2]`, `self.layers[3]` and 8 more is written"),
        (64, "`self.layers[0]`, `self.layers[1]`, `self.layers[2]`, `self.layers[3]` and at least 60 more is written"),
    ] {
        report.findings[0].targets = layers(count);
        for text in [report.to_string(), github::render(&report), junit::render(&report)] {
            assert!(text.contains(&format!("{title} while a fork uses it")), "{title}: {text}");
        }
    }
}

/// Each test: its name, how it ends, and the message.
fn tests(report: &Report) -> Vec<(String, &'static str, String)> {
    let xml = junit::render(report);
    let document = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    let ends = ["failure", "error", "skipped"];
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).expect("a suite");
    let rows: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .map(|test| {
            let name = test.attribute("name").expect("a name").to_string();
            let end = ends.into_iter().find_map(|end| Some((end, test.children().find(|c| c.has_tag_name(end))?)));
            match end {
                None => (name, "success", String::new()),
                Some((end, node)) => (name, end, node.attribute("message").expect("a message").to_string()),
            }
        })
        .collect();
    let counted = |end: &str| rows.iter().filter(|row| row.1 == end).count().to_string();
    for (attribute, count) in [
        ("tests", rows.len().to_string()),
        ("failures", counted("failure")),
        ("errors", counted("error")),
        ("skipped", counted("skipped")),
    ] {
        assert_eq!(suite.attribute(attribute), Some(count.as_str()), "{attribute}");
    }
    rows
}

#[test]
fn a_fork_is_a_test() {
    let check = |report: &Report, expected: &[(&str, &str, &str)]| {
        let found = tests(report);
        let found: Vec<_> = found.iter().map(|row| (row.0.as_str(), row.1, row.2.as_str())).collect();
        assert_eq!(found, expected);
    };
    check(
        &report("b21_shared_parameter"),
        &[
            ("fork forward#0", "failure", "a fork writes `self.clip.weight`"),
            ("fork forward#1", "success", ""),
            ("caller", "success", ""),
            ("deterministic", "failure", "nondeterministic: the result depends on the schedule: 2 different outcomes"),
        ],
    );
    let mut report = report("b14_parent_writes");
    let nondeterministic = "nondeterministic: the result depends on the schedule: 2 different outcomes";
    let written = "`local y` is written while a fork uses it";
    check(
        &report,
        &[
            ("fork total#0", "success", ""),
            ("caller", "failure", written),
            ("deterministic", "failure", nondeterministic),
        ],
    );
    // Where nothing is known, a fork is not said to be pure.
    report.verdict = Some(Verdict::Unknown);
    report.findings.clear();
    report.outcomes.as_mut().unwrap().distinct = 0;
    check(
        &report,
        &[
            ("fork total#0", "skipped", "not known to be pure, nor to be impure"),
            ("caller", "success", ""),
            ("deterministic", "error", "unknown: no execution completed, so nothing is known"),
        ],
    );
    // What the archive alone shows belongs to a fork by its line, and says nothing about results.
    let mut proved = crate::formats::report("b05_single_draw");
    (proved.outcomes, proved.verdict) = (None, Some(Verdict::Impure));
    for finding in &mut proved.findings {
        (finding.certainty, finding.evidence) = ("may", vec!["static"]);
        finding.task.clear();
    }
    check(
        &proved,
        &[
            ("fork noisy#0", "failure", "a fork may change the global RNG"),
            ("fork plain#0", "success", ""),
            ("caller", "success", ""),
            ("deterministic", "skipped", "nothing was run"),
        ],
    );
}

#[test]
fn something_fails_exactly_where_the_exit_code_says_so() {
    for case in cases() {
        let mut report = audit(&case.program().expect("it loads"), &Config::default());
        for denied in [false, true] {
            if denied {
                report.deny_warnings();
            }
            let tests = tests(&report);
            assert_eq!(tests.iter().any(|row| row.1 == "failure"), report.exit_code() == 1, "{}", case.name);
            let annotated = github::render(&report).contains("::error ");
            assert_eq!(annotated, report.exit_code() == 1, "{}", case.name);
        }
    }
}

/// A report with this text wherever a program can put one.
fn with_text(text: &str) -> Report {
    let mut report = report("b14_parent_writes");
    report.findings[0].file = Some(text.to_string());
    report.findings[0].targets = vec![text.to_string()];
    report.findings[0].places = Default::default();
    report.program = text.to_string();
    report.notes = vec![text.to_string()];
    report.forks.push(ForkReport {
        id: text.to_string(),
        function: text.to_string(),
        file: Some(text.to_string()),
        line: Some(3),
        pure: true,
    });
    report
}

/// As the runner reads a command: its properties, then its message.
fn command(line: &str) -> (Vec<(String, String)>, String) {
    let (head, message) = line.strip_prefix("::").and_then(|line| line.split_once("::")).expect("a command");
    let (_, properties) = head.split_once(' ').expect("a name and properties");
    let unescape = |text: &str| text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",");
    let property = |text: &str| {
        let (name, value) = text.split_once('=').expect("a value");
        (name.to_string(), unescape(value).replace("%25", "%"))
    };
    let message = message.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    (properties.split(',').map(property).collect(), message)
}

/// As a decoder of URIs reads it.
fn decoded(uri: &str) -> String {
    let bytes = uri.as_bytes();
    let (mut out, mut i) = (Vec::new(), 0);
    while i < bytes.len() {
        let escape = (bytes[i] == b'%').then(|| u8::from_str_radix(&uri[i + 1..i + 3], 16).expect("two digits"));
        out.push(escape.unwrap_or(bytes[i]));
        i += if escape.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).expect("UTF-8")
}

/// What XML has no way to write, and its pictures.
fn is_plain(c: char) -> bool {
    !c.is_control() || matches!(c, '\t' | '\n' | '\r')
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_comes_through_a_workflow_command(text in "([%:,\r\n\\PC0-9A-F]|::|%25|%0A){0,40}") {
        let rendered = github::render(&with_text(&text));
        let lines: Vec<&str> = rendered.lines().collect();
        prop_assert_eq!(lines.len(), 2, "{}", rendered);
        let (properties, message) = command(lines[0]);
        prop_assert_eq!(&properties[0], &("file".to_string(), text.clone()));
        prop_assert!(message.contains(&format!("at {text}:14\n")), "{}", message);
        let (properties, message) = command(lines[1]);
        prop_assert_eq!(&properties[0].1, &format!("forkcheck forward of {text}"));
        prop_assert!(message.contains(&format!("note: {text}\n")), "{}", message);
    }

    #[test]
    fn any_text_comes_through_xml(text in "([<>&\"'\t\r\n\\PC]|]]>|&#10;|[\u{0}-\u{9f}\u{fffe}\u{ffff}]){0,40}") {
        let xml = junit::render(&with_text(&text));
        let document = roxmltree::Document::parse(&xml).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let fork = document.descendants().filter(|node| node.has_tag_name("testcase")).nth(1).expect("the second fork");
        let output = document.descendants().rfind(|node| node.has_tag_name("system-out")).and_then(|node| node.text());
        let note = output.and_then(|text| text.split_once("\nnote: ")).expect("a note").1;
        for read in [fork.attribute("file").expect("a file"), note.strip_suffix('\n').expect("a line")] {
            prop_assert_eq!(read.chars().count(), text.chars().count());
            for (read, written) in read.chars().zip(text.chars()) {
                let odd = !is_plain(written) || matches!(written, '\u{fffe}' | '\u{ffff}');
                prop_assert!(if odd { is_plain(read) && read != written } else { read == written }, "{:?}", written);
            }
        }
    }

    #[test]
    fn any_file_comes_through_a_uri(file in "[^\\\\/.][%: /\\PC]{0,20}") {
        prop_assume!(file.as_bytes()[1..].first() != Some(&b':'));
        let result = results(&with_text(&file)).remove(0);
        let artifact = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        let uri = artifact["uri"].as_str().expect("a URI");
        // Windows separates names by the other stroke.
        prop_assert_eq!(decoded(uri), file.replace('\\', "/"));
        prop_assert!(!uri.contains(':') && uri.is_ascii(), "{}", uri);
    }
}

#[test]
fn files_are_named_as_the_program_names_them() {
    for (file, uri, base) in [
        ("net.py", "net.py", Some("%SRCROOT%")),
        ("./src/net.py", "src/net.py", Some("%SRCROOT%")),
        ("../net.py", "../net.py", Some("%SRCROOT%")),
        ("/home/me/my net.py", "file:///home/me/my%20net.py", None),
        ("C:\\me\\net.py", "file:///C:/me/net.py", None),
        ("src\\net.py", "src/net.py", Some("%SRCROOT%")),
        ("<ipython-input-3>", "%3Cipython-input-3%3E", Some("%SRCROOT%")),
    ] {
        let artifact =
            results(&with_text(file)).remove(0)["locations"][0]["physicalLocation"]["artifactLocation"].take();
        assert_eq!((artifact["uri"].as_str(), artifact["uriBaseId"].as_str()), (Some(uri), base), "{file}");
    }
}

#[test]
fn texts_are_no_longer_than_github_takes() {
    let report = with_text(&"😀 long ".repeat(5000));
    let units = |text: &str| text.encode_utf16().count();
    let result = results(&report).remove(0);
    let text = result["message"]["text"].as_str().expect("a text");
    assert!(units(text) <= 1024 && text.ends_with('…'), "{}", units(text));
    for line in github::render(&report).lines() {
        let (properties, message) = command(line);
        let title = &properties.iter().find(|row| row.0 == "title").expect("a title").1;
        assert!(units(title) <= 255 && message.len() <= 64 << 10);
    }
}
