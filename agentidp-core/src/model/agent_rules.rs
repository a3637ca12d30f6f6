//! What an agent's particulars must be like, whether it is registered, changed or imported.

use url::{Host, Url};

use crate::base::{OrgId, limits};
use crate::error::ErrorCode;

use super::invalid::check_text;
use super::{Invalid, ScopeSet};

pub(super) fn name(text: &str) -> Result<(), Invalid> {
    check_text("name", text, limits::NAME_CHARS_MAX)
}

pub(super) fn description(text: &str) -> Result<(), Invalid> {
    check_text("description", text, limits::DESCRIPTION_CHARS_MAX)
}

pub(super) fn owner(text: &str) -> Result<(), Invalid> {
    check_text("owner", text, limits::NAME_CHARS_MAX)
}

/// The scopes, of which those of instance administration are for agents of the system organization.
pub(super) fn scopes(list: &[String], organization: &OrgId) -> Result<ScopeSet, Invalid> {
    at_most("scope", list, limits::SCOPES_MAX)
        .map_err(|invalid| invalid.coded(ErrorCode::InvalidScope))?;
    let scopes = ScopeSet::of(list.iter().map(String::as_str))?;
    let instance = |scope: &str| scope.starts_with(super::token::INSTANCE_ADMINISTRATION);
    if *organization != OrgId::system() && scopes.iter().any(instance) {
        let reason = "`admin:` scopes are for agents of the system organization";
        return Err(Invalid::new("scope", reason).coded(ErrorCode::InvalidScope));
    }
    Ok(scopes)
}

/// The audiences without duplicates, in the order given.
pub(super) fn audiences(list: &[String]) -> Result<Vec<String>, Invalid> {
    distinct("audience", list, limits::AUDIENCES_MAX, audience)
}

/// RFC 8707 section 2: an absolute URI without a fragment. It is compared byte by byte.
fn audience(audience: &str) -> Result<(), Invalid> {
    match parsed("audience", audience)?.fragment() {
        Some(_) => Err(Invalid::new("audience", "a fragment is not allowed")),
        None => Ok(()),
    }
}

/// The capabilities without duplicates, in the order given.
pub(super) fn capabilities(list: &[String]) -> Result<Vec<String>, Invalid> {
    distinct("capability", list, limits::CAPABILITIES_MAX, capability)
}

/// The name of a skill of the Open Agentic Schema Framework, such as `nlp/text_completion`.
fn capability(name: &str) -> Result<(), Invalid> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b':');
    let fits = (1..=limits::CAPABILITY_CHARS_MAX).contains(&name.len());
    if fits && name.bytes().all(letter) {
        return Ok(());
    }
    let reason = "the name of an OASF skill is expected: 1 to 128 of A-Z a-z 0-9 _ - . / :";
    Err(Invalid::new("capability", reason))
}

/// Where the agent itself is reached: https, or http on `localhost`.
pub(super) fn url(text: &str) -> Result<(), Invalid> {
    let refuse = |reason: &str| Err(Invalid::new("url", reason));
    let url = parsed("url", text)?;
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a user name or password is not allowed");
    }
    if url.fragment().is_some() {
        return refuse("a fragment is not allowed");
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) | ("http", Some(Host::Domain("localhost"))) => Ok(()),
        _ => refuse("https is expected, or http on `localhost`"),
    }
}

/// A limit on the life of the agent's tokens, in seconds.
pub(super) fn token_life(seconds: i64) -> Result<(), Invalid> {
    if (limits::TOKEN_LIFE_SECONDS_MIN..=limits::TOKEN_LIFE_SECONDS).contains(&seconds) {
        return Ok(());
    }
    Err(Invalid::new("tokenLifeSecondsMax", "60 to 3600 seconds are expected"))
}

fn distinct(
    field: &'static str,
    list: &[String],
    most: usize,
    check: impl Fn(&str) -> Result<(), Invalid>,
) -> Result<Vec<String>, Invalid> {
    at_most(field, list, most)?;
    let mut kept: Vec<String> = Vec::new();
    for item in list {
        check(item)?;
        if !kept.contains(item) {
            kept.push(item.clone());
        }
    }
    Ok(kept)
}

/// What is there twice counts twice: that is how the interface describes its lists.
fn at_most(field: &'static str, list: &[String], most: usize) -> Result<(), Invalid> {
    if list.len() <= most { Ok(()) } else { Err(Invalid::new(field, format!("more than {most}"))) }
}

/// An absolute URI of printable ASCII, bounded.
fn parsed(field: &'static str, text: &str) -> Result<Url, Invalid> {
    if text.len() > limits::URL_BYTES_MAX {
        return Err(Invalid::new(field, "longer than 2048 bytes"));
    }
    // What no URI has (RFC 3986 section 2): readers of URLs take a backslash for a slash, and JSON doubles
    // a quotation mark.
    let is_none = |b: u8| b"\"<>\\^`{|}".contains(&b);
    if !text.bytes().all(|b| b.is_ascii_graphic() && !is_none(b)) {
        let reason = "an absolute URI is expected: printable ASCII without \" < > \\ ^ ` { | }";
        return Err(Invalid::new(field, reason));
    }
    Url::parse(text).map_err(|_| Invalid::new(field, "an absolute URI is expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_administration_is_for_agents_of_the_system_organization() {
        let asked = ["admin:orgs".to_owned(), "tools:read".to_owned()];
        let of_system = scopes(&asked, &OrgId::system()).unwrap();
        assert_eq!(of_system.to_string(), "admin:orgs tools:read");
        let other = OrgId::parse("01900000-0000-7000-8000-000000000001").unwrap();
        assert_eq!(scopes(&asked, &other).unwrap_err().code(), ErrorCode::InvalidScope);
        assert!(scopes(&asked[1..], &other).is_ok());
    }

    #[test]
    fn a_url_is_https_or_of_this_machine() {
        for good in ["https://bot.example.com/a2a", "http://localhost:8080/", "https://[::1]/"] {
            assert_eq!(url(good), Ok(()), "{good}");
        }
        let long = format!("https://example.com/{}", "x".repeat(2048));
        for bad in [
            "",
            "bot.example.com",
            "/a2a",
            "http://bot.example.com",
            "http://127.0.0.1/",
            "http://localhost.example.com/",
            "ftp://bot.example.com/",
            "javascript:alert(1)",
            "https://user:secret@bot.example.com/",
            "https://bot.example.com/#x",
            "https://bot example.com",
            r"https:\\bot.example.com\a2a",
            r#"https://bot.example.com/"a2a""#,
            "https://bot.example.com/<id>",
            "https://bot.example.com/{id}",
            "https://bot.example.com/a^b`c|d",
            long.as_str(),
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn capabilities_are_names_of_skills_and_not_too_many() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let kept = capabilities(&list(&["nlp/text_completion", "a", "a"])).unwrap();
        assert_eq!(kept, ["nlp/text_completion", "a"]);
        for bad in ["", "a b", "\u{e9}", "a\n", "<script>", &"x".repeat(129)] {
            assert!(capabilities(&list(&[bad])).is_err(), "{bad}");
        }
        let many: Vec<String> = (0..65).map(|n| n.to_string()).collect();
        assert_eq!(capabilities(&many[..64]).unwrap().len(), 64);
        assert!(capabilities(&many).is_err());
        let same = vec!["a".to_owned(); 65];
        assert!(capabilities(&same).is_err() && audiences(&same[..17]).is_err());
        let code = scopes(&same, &OrgId::system()).unwrap_err().code();
        assert_eq!(code, ErrorCode::InvalidScope);
        assert_eq!(scopes(&same[..64], &OrgId::system()).unwrap().to_string(), "a");
    }

    #[test]
    fn the_life_of_tokens_has_two_ends() {
        for (seconds, fits) in
            [(i64::MIN, false), (59, false), (60, true), (3600, true), (3601, false)]
        {
            assert_eq!(token_life(seconds).is_ok(), fits, "{seconds}");
        }
        assert!(token_life(86_401).is_err() && token_life(i64::MAX).is_err());
    }
}
