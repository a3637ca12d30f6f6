//! Requests that are done once (draft-ietf-httpapi-idempotency-key-header).

use agentidp_core::{ErrorCode, Fault, IdempotencyKey, Once};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::answer::Problem;

use super::call::Work;
use super::query::refused;
use super::reply::Reply;

/// The field that carries the key.
const FIELD: &str = "idempotency-key";

impl Work {
    /// Does `verb`, unless the request has a key under which it was done before: then the answer is
    /// that of the first time. A request that was refused did nothing, and gives its key back.
    pub(super) fn once(
        &self,
        verb: impl FnOnce(&Work) -> Result<Reply, Problem>,
    ) -> Result<Reply, Problem> {
        let Some(key) = key(self.headers())? else { return verb(self) };
        match self.idp.once(&key, &self.fingerprint()).map_err(failed)? {
            Once::First(claim) => match verb(self) {
                Ok(reply) => {
                    // It is done, whether the answer can be kept or not.
                    let _ = claim.answer(reply.to_bytes().expose());
                    Ok(reply)
                }
                Err(problem) => {
                    // Where nobody knows whether it was done, it must not be done again.
                    if problem.code() != ErrorCode::OutcomeUnknown.as_str() {
                        let _ = claim.release();
                    }
                    Err(problem)
                }
            },
            Once::Answered(answer) => Reply::from_bytes(&answer),
            Once::Other => {
                let detail = "the `Idempotency-Key` was used for another request";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Err(Problem::of(status, "idempotency_key_reused", detail))
            }
            Once::Full => {
                let detail = "too many `Idempotency-Key`s are remembered: wait, or send none";
                Err(Problem::new(ErrorCode::LimitReached, detail))
            }
            _ => {
                let detail = "the request with this `Idempotency-Key` still runs, or was cut off: \
                              look whether it was done before you repeat it with another key";
                Err(Problem::of(StatusCode::CONFLICT, "idempotency_key_in_use", detail))
            }
        }
    }

    /// What makes the request this one: each part after its length.
    fn fingerprint(&self) -> Vec<u8> {
        let target = self.asked.uri.path_and_query().map_or("", |target| target.as_str());
        let mut parts =
            vec![self.asked.method.as_str().as_bytes(), target.as_bytes(), &self.asked.bytes];
        // A change of another version is another request.
        parts.extend(self.headers().get_all(header::IF_MATCH).iter().map(HeaderValue::as_bytes));
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// The key of a request: a string of RFC 9651, or the same without its quotes.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut fields = headers.get_all(FIELD).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    let text = field.to_str().ok().filter(|_| fields.next().is_none());
    let text = text.ok_or_else(|| refused("`Idempotency-Key` must be there once, with one key"))?;
    let text = text.trim();
    let key = match text.strip_prefix('"') {
        Some(rest) => unescaped(rest),
        None => (!text.contains('"')).then(|| text.to_owned()),
    };
    let key = key.ok_or_else(|| refused("`Idempotency-Key` is a string in quotes"))?;
    Ok(Some(IdempotencyKey::parse(&key)?))
}

/// The rest of a quoted string (RFC 9651 section 4.2.5), without the quotes.
fn unescaped(rest: &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(text),
            '\\' => match chars.next()? {
                escaped @ ('"' | '\\') => text.push(escaped),
                _ => return None,
            },
            char => text.push(char),
        }
    }
}

fn failed(fault: Fault) -> Problem {
    Problem::new(fault.code(), fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(FIELD, field.parse().unwrap());
        key(&headers).ok().flatten().map(|key| key.as_str().to_owned())
    }

    #[test]
    fn a_key_is_a_string_with_or_without_its_quotes() {
        assert_eq!(read("\"8e03978e-40d5\"").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(read(" 8e03978e-40d5 ").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(read(r#""a \"b\" \\""#).as_deref(), Some(r#"a "b" \"#));
        let long = format!("\"{}\"", "k".repeat(256));
        for bad in ["", "\"\"", "\"a", "a\"", "\"a\" b", "\"a\";q=1", r#""\a""#, &long] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn two_keys_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(FIELD, "a".parse().unwrap());
        headers.append(FIELD, "a".parse().unwrap());
        assert_eq!(key(&headers).unwrap_err().status(), 400);
        assert!(key(&HeaderMap::new()).unwrap().is_none());
    }
}
