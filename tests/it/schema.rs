//! Every JSON report is as its schema says, and the schema says no less than the report holds; every SARIF log is as the
//! schema of OASIS says, which is kept word for word.

use forkcheck::audit::audit;
use forkcheck::report::sarif;
use forkcheck::{Config, Report, meet};
use forkcheck_tests::{Case, cases};
use serde_json::Value;

const SCHEMA: &str = include_str!("../../sim/schema/report.schema.json");
const SARIF: &str = include_str!("../schemas/sarif-schema-2.1.0.json");

/// The report of an audit, with what is known without running.
fn audited(case: &Case) -> Report {
    let program = case.program().expect("it loads");
    let mut report = audit(&program, &Config::default());
    meet(&mut report, &program);
    report
}

#[test]
fn every_report_follows_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut complaints = Vec::new();
    for case in cases() {
        let report = audited(&case);
        let report: Value = serde_json::from_str(&report.to_json()).expect("a report is JSON");
        validate(&schema, &report, &case.name, &mut complaints);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_schema_notices_what_is_wrong() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let case = forkcheck_tests::case("b01_counter_buffer");
    let report = audit(&case.program().expect("it loads"), &Config::default()).to_json();
    let broken = [
        ("\"verdict\": \"nondeterministic\"", "\"verdict\": \"fine\""),
        ("\"schema_version\": 1", "\"schema_version\": 2"),
        ("\"executions\"", "\"execution\""),
        ("\"pure\": false", "\"pure\": 0"),
        ("\"schedule\": \"fc1.", "\"schedule\": \"fc0."),
    ];
    notices(&schema, &report, &broken);
}

#[test]
fn every_sarif_log_follows_the_schema_of_oasis() {
    let schema: Value = serde_json::from_str(SARIF).expect("the schema is JSON");
    let mut complaints = Vec::new();
    for case in cases() {
        let mut report = audited(&case);
        // What no run confirmed looks alike, and has less of everything.
        report.possible = report.findings.clone();
        for finding in &mut report.possible {
            finding.task.clear();
            finding.places = Default::default();
            (finding.certainty, finding.file, finding.line) = ("may", None, None);
        }
        let log: Value = serde_json::from_str(&sarif::render(&report)).expect("a log is JSON");
        validate(&schema, &log, &case.name, &mut complaints);
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_schema_of_oasis_notices_what_is_wrong() {
    let schema: Value = serde_json::from_str(SARIF).expect("the schema is JSON");
    let case = forkcheck_tests::case("b01_counter_buffer");
    let log = sarif::render(&audit(&case.program().expect("it loads"), &Config::default()));
    let broken = [
        ("\"version\": \"2.1.0\"", "\"version\": \"2.0.0\""),
        ("\"uri\": \"source.py\"", "\"uri\": \"a source.py\""),
        ("\"startLine\": 13", "\"startLine\": 0"),
        ("\"level\": \"error\"", "\"level\": \"fatal\""),
        ("\"ruleId\"", "\"rule\""),
        ("\"text\"", "\"words\""),
        ("\"executionSuccessful\"", "\"successful\""),
        ("\"concurrency\"", "\"determinism\""),
    ];
    notices(&schema, &log, &broken);
}

/// Holds a text that follows a schema against it after each of these replacements: every one must be noticed.
fn notices(schema: &Value, text: &str, replacements: &[(&str, &str)]) {
    for (good, bad) in replacements {
        let broken = text.replace(good, bad);
        assert_ne!(broken, text, "{good}");
        let mut complaints = Vec::new();
        validate(schema, &serde_json::from_str(&broken).expect("still JSON"), "it", &mut complaints);
        assert!(!complaints.is_empty(), "{bad} was not noticed");
    }
}

/// Holds a value against a schema. A keyword, pattern or format that is not known here is a panic, so that nothing in a
/// schema is passed over.
fn validate(schema: &Value, value: &Value, place: &str, complaints: &mut Vec<String>) {
    Validator { root: schema }.validate(schema, value, place, complaints);
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn validate(&self, schema: &Value, value: &Value, place: &str, complaints: &mut Vec<String>) {
        let Some(rules) = schema.as_object() else { panic!("expected a schema, found {schema}") };
        for (keyword, rule) in rules {
            let fits = match keyword.as_str() {
                "$schema"
                | "title"
                | "id"
                | "description"
                | "default"
                | "definitions"
                | "properties"
                | "additionalProperties" => true,
                "$ref" => {
                    let path = rule.as_str().and_then(|path| path.strip_prefix('#')).expect("a part of this schema");
                    let part = self.root.pointer(path).unwrap_or_else(|| panic!("no {path}"));
                    self.validate(part, value, place, complaints);
                    true
                }
                "type" => match rule {
                    Value::Array(several) => several.iter().any(|name| is(value, name)),
                    one => is(value, one),
                },
                "enum" => rule.as_array().expect("a list").contains(value),
                "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().expect("a text"), text)),
                "format" => value.as_str().is_none_or(|text| has_format(rule.as_str().expect("a text"), text)),
                "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
                "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().expect("a number")),
                "minItems" => {
                    value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().expect("a number"))
                }
                "uniqueItems" => {
                    let twice = |items: &Vec<Value>| (1..items.len()).any(|i| items[..i].contains(&items[i]));
                    rule == false || !value.as_array().is_some_and(twice)
                }
                "anyOf" | "oneOf" => {
                    let fitting = |part: &&Value| {
                        let mut complaints = Vec::new();
                        self.validate(part, value, place, &mut complaints);
                        complaints.is_empty()
                    };
                    let count = rule.as_array().expect("a list").iter().filter(fitting).count();
                    count == 1 || (count > 1 && keyword == "anyOf")
                }
                "required" => {
                    let names = rule.as_array().expect("a list").iter().filter_map(Value::as_str);
                    value.as_object().is_none_or(|fields| names.into_iter().all(|name| fields.contains_key(name)))
                }
                "items" => {
                    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.validate(rule, item, &format!("{place}[{i}]"), complaints);
                    }
                    true
                }
                other => panic!("the validator does not know the keyword {other}"),
            };
            if !fits {
                let found: String = value.to_string().chars().take(200).collect();
                complaints.push(format!("{place}: expected {keyword} {rule}, found {found}"));
            }
        }
        self.fields(schema, value, place, complaints);
    }

    /// The fields of an object: those that are named, and the others.
    fn fields(&self, schema: &Value, value: &Value, place: &str, complaints: &mut Vec<String>) {
        let known = schema["properties"].as_object();
        let others = &schema["additionalProperties"];
        for (name, field) in value.as_object().into_iter().flatten() {
            let inner = format!("{place}.{name}");
            match (known.and_then(|known| known.get(name)), others) {
                (Some(schema), _) => self.validate(schema, field, &inner, complaints),
                (None, Value::Object(_)) => self.validate(others, field, &inner, complaints),
                // A schema that names fields means these.
                (None, Value::Bool(false)) => complaints.push(format!("{inner} is not in the schema")),
                (None, Value::Null) if known.is_some() => complaints.push(format!("{inner} is not in the schema")),
                (None, _) => {}
            }
        }
    }
}

fn is(value: &Value, name: &Value) -> bool {
    let name = name.as_str().expect("the name of a type");
    match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Number(number) => name == "number" || (name == "integer" && !number.is_f64()),
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^fc1\\." => text.starts_with("fc1."),
        "^FC[0-9]{4}$" => text.len() == 6 && text.starts_with("FC") && text[2..].bytes().all(|b| b.is_ascii_digit()),
        other => panic!("the validator does not know the pattern {other}"),
    }
}

fn has_format(format: &str, text: &str) -> bool {
    let hex = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    let legal = text.bytes().enumerate().all(|(i, byte)| match byte {
        b'%' => hex(i + 1) && hex(i + 2),
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
    });
    let first = text.split('/').next().unwrap_or_default();
    let scheme = first.split_once(':').map(|(scheme, _)| scheme);
    let is_scheme = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    match format {
        "uri" => legal && scheme.is_some_and(is_scheme),
        "uri-reference" => legal && scheme.is_none_or(is_scheme),
        other => panic!("the validator does not know the format {other}"),
    }
}
