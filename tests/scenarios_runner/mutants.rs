//! Files in which one expected value is another one. Each must fail: an expectation that nobody compares is none.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

type Raw = BTreeMap<String, Box<RawValue>>;

/// For each expected value of `text`, where it is and a file of its case alone that expects something else.
pub(crate) fn mutants(text: &str) -> Result<Vec<(String, String)>, serde_json::Error> {
    let mut mutants = Vec::new();
    let file: Raw = serde_json::from_str(text)?;
    let Some(cases) = file.get("cases") else { return Ok(mutants) };
    let cases: Vec<Raw> = serde_json::from_str(cases.get())?;
    for case in cases {
        let name = case.get("name").map_or("", |name| name.get()).to_owned();
        let steps: Vec<Raw> =
            case.get("steps").map_or(Ok(Vec::new()), |steps| serde_json::from_str(steps.get()))?;
        for (place, step) in steps.iter().enumerate() {
            let Some(expect) = step.get("expect") else { continue };
            let expect: Value = serde_json::from_str(expect.get())?;
            let mut paths = Vec::new();
            leaves(&expect, &mut String::new(), &mut paths);
            for path in paths {
                let mut other = expect.clone();
                if let Some(value) = other.pointer_mut(&path) {
                    *value = another(value);
                }
                let mut steps = steps.clone();
                if let Some(step) = steps.get_mut(place) {
                    step.insert("expect".to_owned(), to_raw_value(&other)?);
                }
                let mut case = case.clone();
                case.insert("steps".to_owned(), to_raw_value(&steps)?);
                let mut file = file.clone();
                file.insert("cases".to_owned(), to_raw_value(&[case])?);
                mutants.push((format!("{name} step {} {path}", place + 1), serde_json::to_string(&file)?));
            }
        }
    }
    Ok(mutants)
}

// JSON pointers to every value that is compared, but for parts that a message must not have.
fn leaves(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    let mut enter = |name: &str, value: &Value, path: &mut String| {
        path.push('/');
        path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        leaves(value, path, found);
        path.truncate(length);
    };
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(name, _)| *name != "message_lacks");
            members.for_each(|(name, value)| enter(name, value, path));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(place, value)| enter(&place.to_string(), value, path));
        }
        _ => found.push(path.clone()),
    }
}

fn another(value: &Value) -> Value {
    match value {
        Value::Null => json!("not null"),
        Value::Bool(value) => json!(!value),
        Value::Number(number) => json!(number.as_u64().unwrap_or(0).wrapping_add(1)),
        Value::String(text) => json!(format!("{text}~")),
        Value::Array(_) | Value::Object(_) => json!(["other"]),
    }
}
