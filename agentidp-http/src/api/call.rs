//! A request of the API, and the work that it asks for.
//!
//! What a request must be is looked at in this order: that it has a token, its size, whether the token
//! lets its bearer in, its form, and whether the bearer may do what it asks for, which the verb decides.
//! Whoever has no token that is valid learns nothing about forms; they are no secret to one that has.

use agentidp_core::{
    AgentId, CredentialId, ErrorCode, Idp, OrgHandle, OrgId, PageRequest, PresentedToken,
};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts as _, RawPathParams, Request};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use serde::de::DeserializeOwned;

use crate::answer::Problem;
use crate::app::App;
use crate::request::presented;

use super::body::{NotRead, media_type, read_body};
use super::precondition::no_precondition;
use super::query::Query;
use super::reply::Reply;

/// The media types of a body.
const JSON: &[&str] = &["application/json"];
/// Those of a change (RFC 7396).
const MERGE_PATCH: &[&str] = &["application/merge-patch+json", "application/json"];
/// Stands where a text is no identifier: nothing has it, and so what is malformed is answered by the
/// verb itself, like what is missing, and with the same words.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// A request that has a token, whatever that may be worth.
pub(crate) struct Call {
    token: PresentedToken,
    asked: Asked,
}

/// What a request says besides.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
    params: Vec<(String, String)>,
}

impl FromRequest<App> for Call {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Call, Problem> {
        let (mut parts, body) = request.into_parts();
        // As clients know it, and never by what the request says of the host.
        let url = format!("{}{}", app.idp().idp().status().issuer, parts.uri.path());
        let token = presented(app, &parts.headers, &parts.method, url)?;
        // Text that is not UTF-8 names nothing.
        let params = RawPathParams::from_request_parts(&mut parts, app).await;
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let params = params.map(|params| params.iter().map(owned).collect()).unwrap_or_default();
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        let headers = parts.headers.clone();
        let request = Request::from_parts(parts, body);
        let bytes = Bytes::from_request(request, app).await;
        let bytes = bytes.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => malformed("the body ended before its end"),
        })?;
        Ok(Call { token, asked: Asked { method, uri, headers, bytes, params } })
    }
}

impl Call {
    /// Does `verb` on behalf of the token's bearer, on a thread that may wait.
    pub(crate) async fn run(
        self,
        app: App,
        verb: impl FnOnce(&Work) -> Result<Reply, Problem> + Send + 'static,
    ) -> Result<Reply, Problem> {
        app.run::<_, Problem, Problem>(move |idp| verb(&Work::admit(idp, self)?)).await
    }

    /// As [`run`](Self::run), and once, however often it is asked for under one `Idempotency-Key`.
    pub(crate) async fn run_once(
        self,
        app: App,
        verb: impl FnOnce(&Work) -> Result<Reply, Problem> + Send + 'static,
    ) -> Result<Reply, Problem> {
        app.run::<_, Problem, Problem>(move |idp| Work::admit(idp, self)?.once(verb)).await
    }
}

/// A request of somebody who was let in.
pub(crate) struct Work {
    /// The instance as the caller may use it.
    pub(crate) idp: Idp,
    pub(super) asked: Asked,
    organization: OrgId,
}

impl Work {
    fn admit(idp: &Idp, Call { token, asked }: Call) -> Result<Work, Problem> {
        let idp = idp.on_behalf_of(token)?;
        if asked.method == Method::POST || asked.method == Method::DELETE {
            no_precondition(&asked.headers)?;
        }
        let agent = idp.caller().agent();
        // The organization is the token's, whatever the request says.
        let organization = agent.map(|agent| agent.organization_id.clone());
        let organization = organization.ok_or_else(|| {
            Problem::new(ErrorCode::InvalidToken, "the access token is no agent's")
        })?;
        Ok(Work { idp, asked, organization })
    }

    /// The caller's own organization.
    pub(crate) fn own(&self) -> OrgHandle {
        self.idp.org(&self.organization)
    }

    /// The organization that the path names: whether the caller may reach it, the library decides.
    pub(crate) fn named_org(&self) -> Result<OrgHandle, Problem> {
        Ok(self.idp.org(&self.id("id", OrgId::parse)?))
    }

    /// The agent that the path names by `parameter`.
    pub(crate) fn agent_id(&self, parameter: &str) -> Result<AgentId, Problem> {
        self.id(parameter, AgentId::parse)
    }

    /// The credential that the path names.
    pub(crate) fn credential_id(&self) -> Result<CredentialId, Problem> {
        self.id("cid", CredentialId::parse)
    }

    /// The key that the path names.
    pub(crate) fn kid(&self) -> &str {
        self.parameter("kid")
    }

    fn id<T, E>(&self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Problem> {
        parse(self.parameter(name)).or_else(|_| parse(NOBODY)).map_err(|_| Problem::not_found())
    }

    fn parameter(&self, name: &str) -> &str {
        let found = self.asked.params.iter().find(|(own, _)| own == name);
        found.map_or(NOBODY, |(_, value)| value)
    }

    /// The fields of the request.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.asked.headers
    }

    /// The parameters of the request, which may be those of `known`.
    pub(crate) fn query(&self, known: &[&str]) -> Result<Query, Problem> {
        Query::read(self.asked.uri.query(), known)
    }

    /// Which page is asked for, where nothing else can be.
    pub(crate) fn page(&self) -> Result<PageRequest, Problem> {
        self.query(&["limit", "cursor"])?.page()
    }

    /// The body.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.query(&[])?;
        self.read(JSON)
    }

    /// The body, of a request that may have none.
    pub(crate) fn body_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Problem> {
        self.query(&[])?;
        if self.asked.bytes.is_empty() { Ok(T::default()) } else { self.read(JSON) }
    }

    /// The body as a merge patch (RFC 7396).
    pub(crate) fn patch<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        self.query(&[])?;
        self.read(MERGE_PATCH)
    }

    fn read<T: DeserializeOwned>(&self, types: &[&str]) -> Result<T, Problem> {
        let mut fields = self.asked.headers.get_all(header::CONTENT_TYPE).iter();
        let (field, others) = (fields.next(), fields.next());
        let told = field.and_then(|field| field.to_str().ok()).and_then(media_type);
        if others.is_some() || !told.is_some_and(|told| types.contains(&told.as_str())) {
            let detail = format!("a body of `{}` is expected", types.join("` or `"));
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::of(status, "unsupported_media_type", detail));
        }
        read_body(&self.asked.bytes).map_err(|reason| match reason {
            NotRead::TooLong => too_large(),
            NotRead::Malformed(reason) => malformed(reason),
        })
    }

    /// The absolute URL of a path of ours.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.idp.status().issuer)
    }
}

fn too_large() -> Problem {
    let detail = "the body is longer than 64 KiB";
    Problem::of(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

fn malformed(reason: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidInput, reason)
}
