//! The report as JUnit XML, as CI systems read it: a test for each fork, one for the caller, one for the result.
//!
//! A fork that is pure passes; one that is not fails with its findings. The caller fails with what is wrong and belongs to no
//! fork, such as its own writes while a fork uses what is written. `deterministic` fails if the result depends on the
//! schedule, and is an error if nothing is known. Warnings and what no run confirmed are output of a test, whatever its end.

use std::fmt::Write as _;

use super::{FindingReport, ForkReport, Report, Verdict, words};

/// The report as one test suite.
pub fn render(report: &Report) -> String {
    let mut shares: Vec<Share<'_>> = (0..=report.forks.len()).map(|_| Share::default()).collect();
    for finding in &report.findings {
        let share = &mut shares[share_of(report, finding)];
        match finding.severity {
            "error" => share.errors.push(finding),
            _ => share.output.push_str(&told(finding)),
        }
    }
    for finding in &report.possible {
        let share = &mut shares[share_of(report, finding)];
        share.output.push_str(&format!("no run confirmed this: {}", told(finding)));
    }
    let of_caller = shares.pop().expect("one more than there are forks");
    let forks = report.forks.iter().zip(shares).map(|(fork, share)| of_fork(report, fork, share));
    let mut tests: Vec<Test<'_>> = forks.collect();
    tests.push(Test { name: "caller".into(), fork: None, end: failed(&of_caller.errors), output: of_caller.output });
    tests.push(deterministic(report));
    document(report, &tests)
}

/// What falls to one test.
#[derive(Default)]
struct Share<'a> {
    errors: Vec<&'a FindingReport>,
    output: String,
}

struct Test<'a> {
    name: String,
    fork: Option<&'a ForkReport>,
    end: End,
    output: String,
}

/// How a test ends: with a message, and with all that is to be said.
enum End {
    Success,
    Failure { code: &'static str, message: String, text: String },
    Error { message: String, text: String },
    Skipped { message: &'static str },
}

/// The index of the fork that a finding belongs to; after all forks comes the caller.
fn share_of(report: &Report, finding: &FindingReport) -> usize {
    let path = finding.task.strip_prefix("main/");
    let of_task = path.and_then(|path| report.forks.iter().position(|fork| fork.id == path));
    // One fork makes many tasks, and is named after the first; what the archive alone shows names none.
    let forked = path.is_some() || (finding.task.is_empty() && finding.kind != "parent-mutation");
    let callee = path.map(|path| path.rsplit('/').next().unwrap_or(path).split('#').next().unwrap_or(path));
    let at_site = |fork: &ForkReport| {
        fork.line.is_some()
            && (&fork.file, fork.line) == (&finding.fork_file, finding.fork_line)
            && callee.is_none_or(|callee| fork.function == callee)
    };
    let of_site = || report.forks.iter().position(at_site).filter(|_| forked && finding.kind != "parent-mutation");
    of_task.or_else(of_site).unwrap_or(report.forks.len())
}

fn of_fork<'a>(report: &Report, fork: &'a ForkReport, share: Share<'_>) -> Test<'a> {
    let end = match (fork.pure, report.verdict) {
        (false, _) if share.errors.is_empty() => {
            let message = "a task that it forks writes what is not its own".to_string();
            let text = below(report, fork).map(told).collect();
            End::Failure { code: "impure", message, text }
        }
        (true, Some(Verdict::Unknown)) if share.errors.is_empty() => {
            End::Skipped { message: "not known to be pure, nor to be impure" }
        }
        _ => failed(&share.errors),
    };
    Test { name: format!("fork {}", fork.id), fork: Some(fork), end, output: share.output }
}

/// What is wrong with tasks that a fork forks: with its own, or else, since findings name the first task that they are about,
/// with those that lie as deep.
fn below<'a>(report: &'a Report, fork: &ForkReport) -> impl Iterator<Item = &'a FindingReport> {
    let prefix = format!("main/{}/", fork.id);
    let depth = prefix.matches('/').count();
    let own = report.findings.iter().any(|finding| finding.task.starts_with(&prefix));
    report.findings.iter().filter(move |finding| {
        let near = if own { finding.task.starts_with(&prefix) } else { finding.task.matches('/').count() >= depth };
        near && finding.severity == "error"
    })
}

fn deterministic(report: &Report) -> Test<'_> {
    let mut output = words::verdict(report) + "\n";
    words::basis(report).into_iter().for_each(|basis| output.push_str(&(basis + "\n")));
    report.notes.iter().for_each(|note| output.push_str(&format!("note: {note}\n")));
    let end = match report.verdict {
        Some(Verdict::Nondeterministic) => {
            let mut text = String::new();
            let outcomes = report.outcomes.as_ref();
            if let Some(difference) = outcomes.and_then(|outcomes| outcomes.first_difference.as_ref()) {
                let (place, a, b) = (&difference.place, &difference.a, &difference.b);
                text.push_str(&format!("first difference: {place}: {a} or {b}\n"));
            }
            for witness in outcomes.into_iter().flat_map(|outcomes| &outcomes.witnesses) {
                text.push_str(&format!("{}  {}\n", witness.schedule, witness.summary));
            }
            report.replay.iter().for_each(|replay| text.push_str(&format!("replay: {replay}\n")));
            End::Failure { code: "nondeterministic", message: words::verdict(report), text }
        }
        Some(Verdict::Unknown) => End::Error { message: words::verdict(report), text: report.notes.join("\n") },
        None => End::Skipped { message: "a replay has no verdict" },
        Some(Verdict::Impure) if report.outcomes.is_none() => End::Skipped { message: "nothing was run" },
        Some(Verdict::Pure | Verdict::Impure) => End::Success,
    };
    Test { name: "deterministic".into(), fork: None, end, output }
}

/// One failure, because of several in a test some readers keep only one.
fn failed(errors: &[&FindingReport]) -> End {
    let Some(first) = errors.first() else { return End::Success };
    let mut message = words::title(first);
    if errors.len() > 1 {
        message.push_str(&format!(", and {} more", errors.len() - 1));
    }
    End::Failure { code: first.code, message, text: errors.iter().map(|finding| told(finding)).collect() }
}

fn told(finding: &FindingReport) -> String {
    let FindingReport { severity, code, kind, .. } = finding;
    let mut text = format!("{severity}[{code}] {kind}: {}\n", words::title(finding));
    words::lines(finding).iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    text
}

fn document(report: &Report, tests: &[Test<'_>]) -> String {
    let count = |wanted: fn(&End) -> bool| tests.iter().filter(|test| wanted(&test.end)).count();
    let counts = format!(
        r#"tests="{}" failures="{}" errors="{}" skipped="{}" time="{:.3}""#,
        tests.len(),
        count(|end| matches!(end, End::Failure { .. })),
        count(|end| matches!(end, End::Error { .. })),
        count(|end| matches!(end, End::Skipped { .. })),
        report.stats.seconds,
    );
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut line = |text: &str| {
        xml.push_str(text);
        xml.push('\n');
    };
    line(&format!(r#"<testsuites name="forkcheck" {counts}>"#));
    line(&format!(r#"  <testsuite name="{} {}" {counts}>"#, escaped(&report.program), escaped(&report.method)));
    tests.iter().for_each(|test| line(&test.element(report)));
    line("  </testsuite>");
    line("</testsuites>");
    xml
}

impl Test<'_> {
    fn element(&self, report: &Report) -> String {
        let (program, method) = (escaped(&report.program), escaped(&report.method));
        let mut xml = format!(r#"    <testcase classname="{program} {method}" name="{}""#, escaped(&self.name));
        let mut write = |args: std::fmt::Arguments<'_>| xml.write_fmt(args).expect("a string takes everything");
        if let Some((file, line)) = self.fork.and_then(|fork| fork.file.as_ref().zip(fork.line)) {
            write(format_args!(r#" file="{}" line="{line}""#, escaped(file)));
        }
        let mut inside = match &self.end {
            End::Success => String::new(),
            End::Failure { code, message, text } => {
                format!(r#"<failure type="{code}" message="{}">{}</failure>"#, escaped(message), body(text))
            }
            End::Error { message, text } => {
                format!(r#"<error type="unknown" message="{}">{}</error>"#, escaped(message), body(text))
            }
            End::Skipped { message } => format!(r#"<skipped message="{}"/>"#, escaped(message)),
        };
        if !self.output.is_empty() {
            inside.push_str(&format!("<system-out>{}</system-out>", body(&self.output)));
        }
        match inside.is_empty() {
            true => write(format_args!("/>")),
            false => write(format_args!(">{inside}</testcase>")),
        }
        xml
    }
}

/// A text as it can stand in an element: one can read its lines in the file, too.
fn body(text: &str) -> String {
    escaped(text).replace("&#10;", "\n").replace("&#9;", "\t")
}

/// A text as it can stand anywhere. What XML has no way to write, such as the escapes of a terminal,
/// becomes the picture of itself.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            // A parser makes spaces of these in an attribute, and a line feed of a carriage return anywhere.
            '\t' | '\n' | '\r' => xml.push_str(&format!("&#{};", character as u32)),
            '\0'..='\x1f' => xml.extend(char::from_u32(0x2400 + character as u32)),
            '\x7f' => xml.push('\u{2421}'),
            '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            other => xml.push(other),
        }
    }
    xml
}
