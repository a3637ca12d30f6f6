//! Policies that are not taken.

use std::fs;
use std::path::Path;

use super::super::files as reading;
use super::super::rego::{PACKAGE, RegoPolicy, path_of};
use super::super::trial::run_tests;
use super::super::{PolicyError, rego};
use super::cast::{files, policy};
use crate::base::limits;
use crate::error::ErrorCode;

const ALLOW_NOTHING: &str = "package agentidp.authz\ndefault allow := false\n";

fn built_in_dir() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"))
}

fn refused(rules: &str) -> PolicyError {
    policy(rules).expect_err(rules)
}

#[test]
fn the_tests_of_the_built_in_policy_are_run_and_there_are_some() {
    let files = reading::read_dir(built_in_dir()).unwrap();
    let tests = fs::read_to_string(built_in_dir().join("authz_test.rego")).unwrap();
    let written = tests.lines().filter(|line| line.starts_with("test_")).count();
    assert!(written >= 12, "{written}");
    assert_eq!(run_tests(&files).unwrap(), written);
    RegoPolicy::built_in().unwrap();
    RegoPolicy::from_dir(built_in_dir()).unwrap();
}

/// The tests are worth something: with each rule of the policy left out, one of them fails.
#[test]
fn the_tests_notice_each_rule_that_is_missing() {
    let read = |name: &str| fs::read_to_string(built_in_dir().join(name)).unwrap();
    let (text, tests) = (read("authz.rego"), read("authz_test.rego"));
    let rules: Vec<&str> = text.split("\n\n").collect();
    let essential = |rule: &&&str| rule.starts_with("allow if");
    assert_eq!(rules.iter().filter(essential).count(), 5);
    for left_out in rules.iter().filter(essential) {
        let without: Vec<&str> = rules.iter().copied().filter(|rule| rule != left_out).collect();
        let loaded = files(&[("authz.rego", &without.join("\n\n")), ("authz_test.rego", &tests)]);
        assert!(matches!(loaded, Err(PolicyError::TestFailed(_))), "{left_out}: {loaded:?}");
    }
}

#[test]
fn a_test_that_is_not_true_refuses_the_policy() {
    let with_test = |test: &str| {
        let test = format!("package mine\nimport data.agentidp.authz\n{test}");
        files(&[("authz.rego", ALLOW_NOTHING), ("mine_test.rego", &test)])
    };
    with_test("test_denies if not authz.allow with input as {}").unwrap();
    for test in [
        "test_allows if authz.allow with input as {}",
        "test_is_false := false",
        "test_is_text := \"true\"",
        "test_fails if to_number(\"x\")",
        "test_collects contains 1",
    ] {
        let refused = with_test(test).expect_err(test);
        assert!(
            matches!(&refused, PolicyError::TestFailed(name) if name.starts_with("mine_test.rego: test_")),
            "{test}: {refused}"
        );
    }
}

#[test]
fn what_is_not_rego_or_lacks_the_rule_is_refused() {
    for rules in ["allow if {", "allow if x == 1", "allow if true}"] {
        assert!(matches!(refused(rules), PolicyError::NotCompiled(_)), "{rules}");
    }
    for rules in ["", "allowed := true", "deny := true", "allow(x) := true"] {
        assert!(matches!(refused(rules), PolicyError::NoRule), "{rules}");
    }
    let elsewhere = files(&[("authz.rego", "package authz\ndefault allow := false")]);
    assert!(matches!(elsewhere, Err(PolicyError::NoRule)));
    let in_a_test = files(&[("authz_test.rego", ALLOW_NOTHING)]);
    assert!(matches!(in_a_test, Err(PolicyError::NoRule)));
    assert_eq!(PolicyError::NoRule.code(), ErrorCode::InvalidInput);
}

#[test]
fn a_policy_in_several_files_is_one() {
    let allows = "package agentidp.authz\nallow if data.shared.ours";
    let shared = "package shared\nours if { is_string(input.organization); input.organization == input.agent.organization }";
    files(&[("a.rego", ALLOW_NOTHING), ("b.rego", allows), ("c.rego", shared)]).unwrap();
}

#[test]
fn a_policy_that_opens_a_wall_or_fails_on_trial_is_refused() {
    let open = refused("allow := true");
    assert!(matches!(open, PolicyError::Opens { although: "the organization is missing", .. }));
    let foreign = refused("allow if is_string(input.organization)");
    let although = "the agent is of another organization";
    assert!(matches!(foreign, PolicyError::Opens { although: why, .. } if why == although));
    let of_one = refused("allow if { input.organization; input.action == \"audit.see\" }");
    assert!(matches!(of_one, PolicyError::Opens { action: "audit.see", .. }));
    // Also where it does so for an agent alone that others act for.
    let for_others = refused("allow if { is_string(input.organization); input.agent.actors[0] }");
    assert!(matches!(for_others, PolicyError::Opens { although: why, .. } if why == although));
    for rules in ["allow := \"yes\"", "allow contains 1", "allow if nothing(1)"] {
        let refused = refused(rules);
        let failed = matches!(refused, PolicyError::Fails { .. } | PolicyError::NotCompiled(_));
        assert!(failed, "{rules}: {refused}");
    }
    let slow = refused(
        "all := numbers.range(1, 100000)
        allow if { some a in all; some b in all; a * b == -1 }",
    );
    assert!(matches!(slow, PolicyError::NotCompiled(_) | PolicyError::Fails { .. }), "{slow}");
}

#[test]
fn functions_that_may_call_themselves_are_refused() {
    let library = |text: &str, rules: &str| {
        let rules = format!("package agentidp.authz\nimport data.lib.f as g\n{rules}");
        files(&[("authz.rego", &rules), ("lib.rego", &format!("package lib\n{text}"))])
    };
    for rules in [
        "f(x) := f(x + 1)\nallow if f(1)",
        "f(x) := g(x)\ng(x) := y if { y := f(x) }\nallow if f(1)",
        "f(x) if { some y in [1 | f(x)]; y }\nallow if f(1)",
        "f(x) := data.agentidp.authz.f(x)\nallow if f(1)",
        "f(x) := 1 if { x == 0 } else := f(x - 1)\nallow if f(1)",
    ] {
        let refused = refused(rules);
        assert!(matches!(refused, PolicyError::Recursive(_)), "{rules}: {refused}");
    }
    let through_an_alias =
        library("f(x) := data.agentidp.authz.h(x)", "h(x) := g(x)\nallow if h(1)");
    assert!(matches!(through_an_alias, Err(PolicyError::Recursive(_))), "{through_an_alias:?}");
    // The interpreter itself notices rules that depend on themselves.
    assert!(matches!(refused("allow if a\na if b\nb if a"), PolicyError::NotCompiled(_)));
    library("f(x) := count(x)", "default allow := false\nh(x) := g(x)\nallow if h(input.nothing)")
        .unwrap();
}

#[test]
fn an_import_under_its_own_name_calls_itself_no_more_than_what_it_imports() {
    let imported = |lib: &str| {
        let rules = "package agentidp.authz\nimport data.lib.f as f\ndefault allow := false
            h(x) := f(x)\nallow if h(input.nothing)";
        files(&[("authz.rego", rules), ("lib.rego", &format!("package lib\n{lib}"))])
    };
    imported("f(x) := count(x)").unwrap();
    let refused = imported("f(x) := data.lib.f(x)");
    assert!(matches!(refused, Err(PolicyError::Recursive(_))), "{refused:?}");
}

#[test]
fn with_is_for_tests() {
    let rules = "allow if f(1) with f as g\nf(x) := x == 2\ng(x) := f(x)";
    assert!(matches!(refused(rules), PolicyError::With(file) if file == "authz.rego"));
}

#[test]
fn what_nests_too_deep_is_refused() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        policy(&format!("# {open}\nallow if input == {open}\"\\\"[\", `[`{close}"))
    };
    nested(limits::POLICY_DEPTH_MAX).unwrap();
    for depth in [limits::POLICY_DEPTH_MAX + 1, 40, 5000] {
        assert!(matches!(nested(depth), Err(PolicyError::TooDeep(file)) if file == "authz.rego"));
    }
}

#[test]
fn a_directory_is_read_as_far_as_it_is_a_policy() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(home.path().join(name), text).unwrap();
    let load = || RegoPolicy::from_dir(home.path());
    assert!(matches!(load(), Err(PolicyError::NoRule)));
    write("authz.rego", ALLOW_NOTHING.as_bytes());
    write("README.md", b"hello");
    write(".hidden.rego", b"this is no Rego");
    fs::create_dir(home.path().join("..data")).unwrap();
    load().unwrap();
    // A file that is left out might be one that denies.
    for name in ["data.json", "data.yaml", "data.yml"] {
        write(name, b"{}");
        assert!(matches!(load(), Err(PolicyError::NotRead(path)) if path.ends_with(name)));
        fs::remove_file(home.path().join(name)).unwrap();
    }
    fs::create_dir(home.path().join("more.rego")).unwrap();
    assert!(matches!(load(), Err(PolicyError::NotRead(_))));
    fs::remove_dir(home.path().join("more.rego")).unwrap();
    write("latin.rego", b"package x # \xe9");
    assert!(
        matches!(load(), Err(PolicyError::Unreadable { path, .. }) if path.ends_with("latin.rego"))
    );
    fs::remove_file(home.path().join("latin.rego")).unwrap();
    let max = usize::try_from(limits::POLICY_FILE_BYTES_MAX).unwrap();
    let filled = |bytes: usize| {
        let head = "package filled\n";
        format!("{head}{}", "#\n".repeat(bytes)).into_bytes()[..bytes].to_vec()
    };
    write("large.rego", &filled(max + 1));
    assert!(matches!(load(), Err(PolicyError::TooMuch(path)) if path.ends_with("large.rego")));
    fs::remove_file(home.path().join("large.rego")).unwrap();
    load().unwrap();
    for number in 0..limits::POLICY_ENTRIES_MAX {
        write(&format!("note{number}.txt"), b"");
    }
    assert!(matches!(load(), Err(PolicyError::TooMuch(_))));
    let missing = RegoPolicy::from_dir(home.path().join("missing"));
    assert!(matches!(missing, Err(PolicyError::Unreadable { .. })));
}

/// What the page shows is what is: the input, and a policy to start from.
#[test]
fn the_page_on_policies_shows_what_is() {
    use super::super::question::{Asking, Question};
    use crate::model::{Action, Role};
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy.md");
    let page = fs::read_to_string(page).unwrap();
    let block = |language: &str| {
        let (_, tail) = page.split_once(&format!("```{language}\n")).unwrap();
        tail.split_once("```").unwrap().0.to_owned()
    };
    let asking = Asking {
        id: "01999f3e-3f2a-7c11-9d5a-1f0e6f1c2b3a",
        organization: "01999f3e-1c40-7a02-8e11-aa0c5d9be001",
        scopes: vec!["agents:read", "agents:write"],
        role: Some(Role::Admin.as_str()),
        actors: vec!["01999f40-77aa-7d3e-b1c4-5b2d7e8f9a0b"],
    };
    let organization = "01999f3e-1c40-7a02-8e11-aa0c5d9be001";
    let question = Question::new(asking, Some(organization), Action::ChangeAgents);
    let shown: serde_json::Value = serde_json::from_str(&block("json")).unwrap();
    assert_eq!(serde_json::to_value(&question).unwrap(), shown);
    let built_in = fs::read_to_string(built_in_dir().join("authz.rego")).unwrap();
    let rule = block("rego");
    let narrowed = built_in.replace("default allow := false", "default may := false");
    let narrowed = narrowed.replace("\nallow if {", "\nmay if {");
    let narrowed = files(&[("authz.rego", &format!("{narrowed}\n{rule}"))]).unwrap();
    assert_eq!(narrowed.allows(&question), Ok(true));
    let question = Question::new(
        Asking {
            id: "a",
            organization,
            scopes: vec!["agents:write"],
            role: None,
            actors: Vec::new(),
        },
        Some(organization),
        Action::ChangeAgents,
    );
    assert_eq!(narrowed.allows(&question), Ok(false));
    assert!(page.contains(&format!("`{}`", path_of(PACKAGE, rego::RULE))));
}
