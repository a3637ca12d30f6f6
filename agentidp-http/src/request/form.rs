//! The body of a request to OAuth's endpoints: a form, read strictly (RFC 6749 sections 3.1 and 3.2).

use std::borrow::Cow;

use super::urlencoded::decode;

/// Parameters that may be there several times: resources (RFC 8707 section 2) and audiences (RFC 8693
/// section 2.1). A second one of any other name is refused, also if nobody asks for it.
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// The parameters of a form. Those without a value are not there.
#[derive(Debug)]
pub struct Form<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// Why a body is not a form. It repeats nothing of the body, which may hold secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// A name or a value is not in the encoding of forms, or not in UTF-8.
    Malformed,
    /// A parameter is there twice.
    Repeated,
    /// There are too many parameters.
    TooMany,
}

impl<'a> Form<'a> {
    /// Reads a body: pairs of name and value, separated by ampersands.
    ///
    /// # Errors
    /// [`FormError`] when it is not a form.
    pub fn parse(body: &'a [u8]) -> Result<Form<'a>, FormError> {
        let mut form = Form(Vec::with_capacity(PARAMETERS_USUAL));
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if form.0.len() == PARAMETERS_MAX {
                return Err(FormError::TooMany);
            }
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (pair.get(..at), pair.get(at + 1..)),
                None => (Some(pair), None),
            };
            let name = decode(name.unwrap_or_default()).ok_or(FormError::Malformed)?;
            let value = decode(value.unwrap_or_default()).ok_or(FormError::Malformed)?;
            // Looked for among those without a value too: who reads the first and who reads the last
            // must not see different requests.
            let repeats = form.0.iter().any(|(known, _)| *known == name);
            if repeats && !REPEATABLE.contains(&name.as_ref()) {
                return Err(FormError::Repeated);
            }
            form.0.push((name, value));
        }
        form.0.retain(|(_, value)| !value.is_empty());
        Ok(form)
    }

    /// The value of the parameter of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of a parameter that may be there several times.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_ref())
    }
}

impl FormError {
    /// What is wrong, for who sent it.
    pub fn meaning(self) -> &'static str {
        match self {
            FormError::Malformed => "the parameters are not those of a form in UTF-8",
            FormError::Repeated => "a parameter is repeated",
            FormError::TooMany => "there are too many parameters",
        }
    }
}

/// Most bytes of a body: a token exchange has three tokens, of 16 KiB at most each.
pub(crate) const FORM_BYTES_MAX: usize = 64 * 1024;
/// Most parameters of a form.
pub(crate) const PARAMETERS_MAX: usize = 64;
/// Parameters for which there is room at first.
const PARAMETERS_USUAL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn values(body: &str, name: &str) -> Result<Vec<String>, FormError> {
        let form = Form::parse(body.as_bytes())?;
        Ok(form.all(name).map(str::to_owned).collect())
    }

    #[test]
    fn parameters_are_decoded_and_those_without_a_value_are_not_there() {
        let body = "scope=a%20b+c&&grant_type=x%3Dy=z&state=&flag&%73ub=1&=nameless&";
        assert_eq!(values(body, "scope").unwrap(), ["a b c"]);
        assert_eq!(values(body, "grant_type").unwrap(), ["x=y=z"]);
        assert_eq!(values(body, "sub").unwrap(), ["1"]);
        for name in ["state", "flag", "SCOPE", "other"] {
            assert!(values(body, name).unwrap().is_empty(), "{name}");
        }
        assert!(values("", "a").unwrap().is_empty());
    }

    #[test]
    fn resources_may_repeat_and_nothing_else_does() {
        let both = values("resource=a&resource=b&resource=", "resource");
        assert_eq!(both.unwrap(), ["a", "b"]);
        for body in ["scope=a&scope=a", "scope=&scope=a", "scope&%73cope=a", "unknown=1&unknown=2"]
        {
            assert_eq!(values(body, "scope"), Err(FormError::Repeated), "{body}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for body in [&b"a=%zz"[..], b"%=1", b"a=%ff", b"a=\xff", b"{\"a\":\"100%\"}"] {
            assert_eq!(Form::parse(body).unwrap_err(), FormError::Malformed);
        }
        let many = |count: usize| (0..count).map(|n| format!("p{n}=1&")).collect::<String>();
        assert!(Form::parse(many(PARAMETERS_MAX).as_bytes()).is_ok());
        let error = Form::parse(many(PARAMETERS_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(error, FormError::TooMany);
    }
}
