//! What of a policy's syntax tree decides whether it is taken: regorus notices rules that depend on
//! themselves, and no functions that do, which would overflow the stack.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::error::PolicyError;

/// A file of a policy, parsed.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) file: String,
    pub(super) package: String,
    rules: Vec<Rule>,
    /// What imports are called here, and the last name of what they import.
    aliases: Vec<(String, String)>,
    uses_with: bool,
}

#[derive(Debug)]
struct Rule {
    name: String,
    is_function: bool,
    /// The last names of the functions that it calls.
    calls: BTreeSet<String>,
}

impl Module {
    /// Whether it has a rule of that name, which is no function.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.name == name && !rule.is_function)
    }

    /// The names of its tests, in the order of the file.
    pub(super) fn tests(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str()).filter(|name| name.starts_with("test_"))
    }
}

/// Reads the tree as regorus writes it.
pub(super) fn read(tree: &str) -> Result<Vec<Module>, PolicyError> {
    let not_read = |reason: &str| PolicyError::NotCompiled(reason.to_owned());
    // A reader of JSON nests less deep than a policy might; nobody writes such a one by hand.
    let tree: Value =
        serde_json::from_str(tree).map_err(|_| not_read("an expression is nested too deep"))?;
    let modules = tree.as_array().ok_or_else(|| not_read("the syntax tree is no list"))?;
    let module = |tree| module(tree).ok_or_else(|| not_read("a name in it is not constant"));
    modules.iter().map(module).collect()
}

/// How deep brackets are nested in a text, whose strings and comments hold none.
pub(super) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth = depth.saturating_sub(1),
            '#' => while characters.next().is_some_and(|next| next != '\n') {},
            '`' => while characters.next().is_some_and(|next| next != '`') {},
            '"' => {
                while let Some(next) = characters.next().filter(|next| *next != '"') {
                    if next == '\\' {
                        characters.next();
                    }
                }
            }
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Refuses functions that may call themselves, and `with`, by which they may do so unseen. Names are
/// compared without their packages: what is refused in vain can be given another name.
pub(super) fn check(modules: &[Module]) -> Result<(), PolicyError> {
    if let Some(module) = modules.iter().find(|module| module.uses_with) {
        return Err(PolicyError::With(module.file.clone()));
    }
    let mut calls: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for module in modules {
        for rule in module.rules.iter().filter(|rule| rule.is_function) {
            let called = rule.calls.iter().map(String::as_str);
            calls.entry(rule.name.as_str()).or_default().extend(called);
        }
        for (alias, imported) in module.aliases.iter().filter(|(alias, name)| alias != name) {
            calls.entry(alias.as_str()).or_default().insert(imported.as_str());
        }
    }
    // Whoever calls only what comes to an end comes to an end.
    while let Some(ends) = calls.iter().find_map(|(name, called)| {
        called.iter().all(|called| !calls.contains_key(called)).then_some(*name)
    }) {
        calls.remove(ends);
    }
    match calls.into_keys().next() {
        Some(name) => Err(PolicyError::Recursive(name.to_owned())),
        None => Ok(()),
    }
}

fn module(tree: &Value) -> Option<Module> {
    let (source, ast) = (tree.get("source")?, tree.get("ast")?);
    let text = source.get("contents")?.as_str()?;
    let mut aliases = Vec::new();
    for import in ast.get("imports")?.as_array()? {
        if let Some(alias) = import.get("as") {
            let (start, end) = (alias.get("start")?.as_u64()?, alias.get("end")?.as_u64()?);
            let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
            let imported = path(import.get("refr")?)?.pop()?;
            aliases.push((text.get(start..end)?.to_owned(), imported));
        }
    }
    let rules = ast.get("rules")?.as_array()?;
    Some(Module {
        file: source.get("file")?.as_str()?.to_owned(),
        package: path(ast.get("package")?.get("refr")?)?.join("."),
        aliases,
        uses_with: rules.iter().any(uses_with),
        rules: rules.iter().map(rule).collect::<Option<_>>()?,
    })
}

fn rule(tree: &Value) -> Option<Rule> {
    let spec = tree.get("Spec").map(|spec| spec.get("head"));
    let (head, is_function) = match spec {
        Some(head) => {
            let (kind, head) = head?.as_object()?.iter().next()?;
            (head, kind == "Func")
        }
        None => (tree.get("Default")?, false),
    };
    let mut calls = BTreeSet::new();
    calls_in(tree, &mut calls);
    Some(Rule { name: name(head.get("refr")?)?, is_function, calls })
}

/// The last constant name of a rule's head: `deny[reason]` is called `deny`.
fn name(refr: &Value) -> Option<String> {
    match refr.get("RefBrack") {
        Some(brackets) if path(refr).is_none() => name(brackets.get("refr")?),
        _ => path(refr)?.pop(),
    }
}

/// The components of a reference, if all are constant.
fn path(refr: &Value) -> Option<Vec<String>> {
    let (kind, node) = refr.as_object()?.iter().next()?;
    if kind == "Var" {
        return Some(vec![node.get("value")?.as_str()?.to_owned()]);
    }
    let last = match kind.as_str() {
        "RefDot" => node.get("field")?.get(1)?,
        "RefBrack" => node.get("index")?.get("String")?.get("value")?,
        _ => return None,
    };
    let mut path = path(node.get("refr")?)?;
    path.push(last.as_str()?.to_owned());
    Some(path)
}

/// Adds the last names of all functions that are called in `tree`. One whose name is not constant may be
/// any: it is called by each name in it.
fn calls_in(tree: &Value, calls: &mut BTreeSet<String>) {
    match tree {
        Value::Array(items) => items.iter().for_each(|item| calls_in(item, calls)),
        Value::Object(fields) => {
            if let Some(called) = fields.get("Call").and_then(|call| call.get("fcn")) {
                match path(called) {
                    Some(mut path) => calls.extend(path.pop()),
                    None => texts_in(called, calls),
                }
            }
            fields.values().for_each(|field| calls_in(field, calls));
        }
        _ => {}
    }
}

fn texts_in(tree: &Value, texts: &mut BTreeSet<String>) {
    match tree {
        Value::Array(items) => items.iter().for_each(|item| texts_in(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| texts_in(field, texts)),
        Value::String(text) => texts.extend([text.clone()]),
        _ => {}
    }
}

fn uses_with(tree: &Value) -> bool {
    match tree {
        Value::Array(items) => items.iter().any(uses_with),
        Value::Object(fields) => fields.contains_key("with_mods") || fields.values().any(uses_with),
        _ => false,
    }
}
