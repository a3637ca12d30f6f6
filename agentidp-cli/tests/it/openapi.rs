//! The description of the interface.

use std::path::Path;

use crate::sandbox::{ISSUER, Sandbox};

#[test]
fn the_document_is_the_documented_one_but_for_the_issuer() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let documented = std::fs::read_to_string(path).unwrap();
    let sandbox = Sandbox::with_instance();
    let answer = sandbox.run(&["openapi"]);
    assert_eq!((answer.exit, answer.stderr.as_str()), (0, ""));
    assert!(answer.stdout == documented, "agentidp openapi is not docs/openapi.json");
    let line = sandbox.run(&["--json", "openapi"]);
    assert_eq!((line.stdout.lines().count(), line.json()), (1, answer.json()));

    let elsewhere = Sandbox::new();
    assert_eq!(elsewhere.run(&["init", "--issuer", "http://localhost:8080/x"]).exit, 0);
    let other = elsewhere.run(&["openapi"]).stdout;
    assert_ne!(other, documented);
    assert!(other.replace("http://localhost:8080/x", ISSUER) == documented);
}
