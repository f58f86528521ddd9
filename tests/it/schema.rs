//! Every JSON report is as its schema says, and the schema says no less than the report holds.

use forkcheck::Config;
use forkcheck::audit::audit;
use forkcheck_tests::cases;
use serde_json::Value;

const SCHEMA: &str = include_str!("../../sim/schema/report.schema.json");

#[test]
fn every_report_follows_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut complaints = Vec::new();
    for case in cases() {
        let report = audit(&case.program().expect("it loads"), &Config::default());
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
    for (good, bad) in [
        ("\"verdict\": \"nondeterministic\"", "\"verdict\": \"fine\""),
        ("\"schema_version\": 1", "\"schema_version\": 2"),
        ("\"executions\"", "\"execution\""),
        ("\"pure\": false", "\"pure\": 0"),
        ("\"schedule\": \"fc1.", "\"schedule\": \"fc0."),
    ] {
        let broken = report.replace(good, bad);
        assert_ne!(broken, report, "{good}");
        let mut complaints = Vec::new();
        validate(&schema, &serde_json::from_str(&broken).expect("still JSON"), "report", &mut complaints);
        assert!(!complaints.is_empty(), "{bad} was not noticed");
    }
}

/// The part of JSON Schema that our schema uses.
fn validate(schema: &Value, value: &Value, place: &str, complaints: &mut Vec<String>) {
    let mut complain = |text: String| complaints.push(format!("{place}: {text}"));
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |name: &str| match value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Number(number) => name == "number" || (name == "integer" && !number.is_f64()),
        Value::String(_) => name == "string",
        Value::Array(_) => name == "array",
        Value::Object(_) => name == "object",
    };
    if !types.is_empty() && !types.iter().any(|name| is(name)) {
        return complain(format!("expected {types:?}, found {value}"));
    }
    if let Some(allowed) = schema["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        complain(format!("expected one of {allowed:?}, found {value}"));
    }
    if let (Some(pattern), Value::String(text)) = (schema["pattern"].as_str(), value) {
        let fits = match pattern {
            "^fc1\\." => text.starts_with("fc1."),
            "^FC[0-9]{4}$" => {
                text.len() == 6 && text.starts_with("FC") && text[2..].bytes().all(|b| b.is_ascii_digit())
            }
            other => panic!("the validator does not know the pattern {other}"),
        };
        if !fits {
            complain(format!("expected {pattern}, found {text}"));
        }
    }
    if let (Some(properties), Value::Object(fields)) = (schema["properties"].as_object(), value) {
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(required) {
                complaints.push(format!("{place}: {required} is missing"));
            }
        }
        for (name, field) in fields {
            match properties.get(name) {
                Some(schema) => validate(schema, field, &format!("{place}.{name}"), complaints),
                None => complaints.push(format!("{place}: {name} is not in the schema")),
            }
        }
    }
    if let (schema @ Value::Object(_), Value::Array(items)) = (&schema["items"], value) {
        for (i, item) in items.iter().enumerate() {
            validate(schema, item, &format!("{place}[{i}]"), complaints);
        }
    }
}
