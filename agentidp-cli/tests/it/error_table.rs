//! docs/errors.md is the table of error codes. To write it anew, set `UPDATE_DOCS`.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::sandbox::Sandbox;

const HEAD: &str = "# Error codes

What `agentidp doctor --errors` prints, written from the same table (`just docs`). A code never changes its meaning.
With `--json` a failure is `{\"error\":{\"code\",\"message\",\"hint\"}}`; in Rust it is `ErrorCode`.

Exit codes: 0 done, 1 refused or failed, 2 usage, 3 the thing checked is not valid.

| code | HTTP | OAuth error | exit | meaning | what to do |
|---|---|---|---|---|---|
";

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace('|', "\\|"),
        other => other.to_string(),
    }
}

#[test]
fn the_document_is_the_table() {
    let answer = Sandbox::new().run(&["--json", "doctor", "--errors"]);
    assert_eq!(answer.exit, 0, "{answer:?}");
    let mut document = HEAD.to_owned();
    for row in answer.json()["items"].as_array().unwrap() {
        let cell = |name: &str| shown(&row[name]);
        let code = |name: &str| Some(cell(name)).filter(|text| !text.is_empty());
        let quoted = |name: &str| code(name).map_or_else(String::new, |text| format!("`{text}`"));
        let _ = writeln!(
            document,
            "| {} | {} | {} | {} | {} | {} |",
            quoted("code"),
            cell("httpStatus"),
            quoted("oauthError"),
            cell("exitCode"),
            cell("meaning"),
            cell("hint")
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = stored.lines().zip(document.lines()).find(|(stored, made)| stored != made);
    assert!(stored == document, "docs/errors.md is not the table: run `just docs`: {differs:#?}");
}

#[test]
fn people_read_every_code_with_its_hint() {
    let sandbox = Sandbox::new();
    let shown = sandbox.run(&["doctor", "--errors"]);
    assert_eq!((shown.exit, shown.stderr.as_str()), (0, ""));
    for row in sandbox.run(&["--json", "doctor", "--errors"]).json()["items"].as_array().unwrap() {
        let code = row["code"].as_str().unwrap();
        let line = shown.stdout.lines().find(|line| line.starts_with(&format!("{code} ")));
        let line = line.unwrap_or_else(|| panic!("no {code}"));
        assert!(line.contains(row["meaning"].as_str().unwrap()), "{line}");
        assert!(shown.stdout.contains(&format!("hint: {}\n", row["hint"].as_str().unwrap())));
    }
}
