//! Roles and claims of a user, read from JSON.

use super::principal::Claims;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Maximum number of roles of one principal. More roles are an error. If some roles were dropped, rules that deny those
/// roles would not apply.
const ROLES_MAX: usize = 256;
/// Maximum number of claims of one principal. Further claims are dropped. Dropping a claim is safe, because a rule that
/// refers to a missing claim allows nothing.
const CLAIMS_MAX: usize = 64;
/// Maximum total size of the claims of one principal, names and values together, in bytes.
const CLAIMS_BYTES_MAX: usize = 4 << 10;
/// Maximum number of names in a dotted path.
const DEPTH_MAX: usize = 3;

/// Returns the value at a path. If a member has the whole path as its name, returns its value. Otherwise, follows the
/// names between the dots through nested objects. The names themselves may contain dots.
pub(super) fn at<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let nested = || {
        path.match_indices('.').find_map(|(dot, _)| at(map.get(&path[..dot])?.as_object()?, &path[dot + 1..]))
    };
    map.get(path).or_else(nested)
}

/// Parses roles: a list of strings, or one string with spaces or commas between the roles. A missing value means no
/// roles.
pub(super) fn roles(value: Option<&Value>) -> Result<Arc<[Box<str>]>, &'static str> {
    const INVALID: &str = "invalid roles: expected a string or a list of strings";
    let roles: Vec<Box<str>> = match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => {
            text.split([',', ' ', '\t']).filter(|role| !role.is_empty()).map(Box::from).collect()
        }
        Some(Value::Array(list)) => {
            list.iter().map(|role| role.as_str().map(Box::from).ok_or(INVALID)).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(INVALID),
    };
    if roles.len() > ROLES_MAX { Err("too many roles: expected at most 256") } else { Ok(roles.into()) }
}

/// Collects all strings, numbers and booleans as claims. Leaves out the top-level members that `without` names. The
/// name of a value in a nested object is its dotted path. If a limit is reached, or two values have the same path, less
/// deeply nested values take precedence.
pub(super) fn flat(map: &Map<String, Value>, without: &[&str]) -> Claims {
    let mut claims = Claims::new();
    let (mut bytes, mut dropped) = (0, 0);
    let mut level: Vec<(String, &Value)> = map
        .iter()
        .filter(|(name, _)| !without.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value))
        .collect();
    for _ in 0..DEPTH_MAX {
        let mut below = Vec::new();
        for (path, value) in level {
            if let Value::Object(inside) = value {
                below.extend(inside.iter().map(|(name, value)| (format!("{path}.{name}"), value)));
            }
            let Some(text) = scalar(value) else { continue };
            if claims.contains_key(path.as_str()) {
                continue;
            }
            let size = path.len() + text.len();
            if claims.len() == CLAIMS_MAX || bytes + size > CLAIMS_BYTES_MAX {
                dropped += 1;
                continue;
            }
            bytes += size;
            claims.insert(path.into(), text.into());
        }
        level = below;
    }
    if dropped > 0 {
        tracing::debug!(
            dropped,
            kept = claims.len(),
            "too many claims. Permission rules cannot refer to the dropped claims."
        );
    }
    claims
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn claim_paths_are_nested_and_names_can_contain_dots() {
        let map = object(json!({
            "roles": 1,
            "realm_access": {"roles": 2},
            "https://example.org/roles": 3,
            "apps": {"my.app": {"roles": 4}},
            "a.b": 5, "a": {"b": 6},
        }));
        for (path, expected) in [
            ("roles", Some(1)),
            ("realm_access.roles", Some(2)),
            ("https://example.org/roles", Some(3)),
            ("apps.my.app.roles", Some(4)),
            ("a.b", Some(5)),
            ("a.c", None),
            ("roles.x", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(at(&map, path).and_then(Value::as_i64), expected, "{path}");
        }
    }

    #[test]
    fn roles_are_a_list_or_a_string() {
        for (value, expected) in [
            (json!(null), Some("")),
            (json!([]), Some("")),
            (json!(""), Some("")),
            (json!(["a", "b c"]), Some("a|b c")),
            (json!("a, b  c,,d"), Some("a|b|c|d")),
            (json!(7), None),
            (json!({"a": true}), None),
            (json!(["a", 7]), None),
            (json!(vec!["r"; ROLES_MAX + 1]), None),
        ] {
            assert_eq!(roles(Some(&value)).ok().map(|roles| roles.join("|")).as_deref(), expected, "{value}");
        }
        assert_eq!(roles(None).map(|roles| roles.len()), Ok(0));
    }

    #[test]
    fn claims_are_flat_and_bounded() {
        let claims = flat(
            &object(json!({
                "exp": 1, "text": "t", "number": 1.5, "truth": true, "nothing": null, "list": ["x"],
                "a": {"b": 2, "exp": 3, "c": {"d": "deep", "e": {"f": "too deep"}}}, "a.b": "top",
            })),
            &["exp"],
        );
        let shown: Vec<String> = claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["a.b=top", "a.c.d=deep", "a.exp=3", "number=1.5", "text=t", "truth=true"]);

        let many: Map<_, _> = (0..100).map(|n| (format!("{n:03}"), json!({"x": n}))).collect();
        let mut top = many.clone();
        top.insert("z".to_owned(), json!("last of the top"));
        assert_eq!(flat(&top, &[]).len(), CLAIMS_MAX);
        assert!(flat(&top, &[]).contains_key("z"), "claims at a lower depth come first");
        let long = object(json!({"a": "x".repeat(CLAIMS_BYTES_MAX), "b": "y".repeat(CLAIMS_BYTES_MAX - 1)}));
        assert_eq!(flat(&long, &[]).keys().map(|name| &**name).collect::<Vec<_>>(), ["b"]);
    }
}
