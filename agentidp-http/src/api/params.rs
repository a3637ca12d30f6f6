//! Parameters that many requests have, for the document that describes them.
#![expect(
    dead_code,
    reason = "the document is written from the fields, and requests are read by hand"
)]

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// A time in UTC (RFC 3339).
pub(crate) struct Timestamp;

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Timestamp {}

/// What a list of texts is made of.
macro_rules! texts {
    ($($(#[doc = $doc:literal])* $name:ident: $pattern:literal, $chars_max:literal;)*) => { $(
        $(#[doc = $doc])*
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String).max_length(Some($chars_max));
                text.pattern(Some($pattern)).description(Some(concat!($($doc),*).trim())).into()
            }
        }

        impl ToSchema for $name {}
    )* };
}

texts! {
    /// A scope (RFC 6749 section 3.3).
    Scope: r"^[!#-\[\]-~]+$", 128;
    /// An absolute URI without fragment (RFC 8707 section 2).
    Audience: r"^[A-Za-z][A-Za-z0-9+.-]*:[!$-;=?-\[\]_a-z~]+$", 2048;
    /// The name of an OASF skill.
    Skill: r"^[A-Za-z0-9_./:-]+$", 128;
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageOf {
    /// Most items of the page; 50 unless given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
    /// The `nextCursor` of the page before; the first page unless given.
    #[param(pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    cursor: Option<String>,
}

/// Which page of the trail.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageOfTrail {
    /// Most items of the page; 50 unless given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
    /// The `nextCursor` of the page before; the first page unless given.
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
}

/// A request that is done once.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct DoneOnce {
    /// A key of the caller's choice, such as a UUID, in quotes or without: for a day, the same request
    /// under the same key is done once and answered alike. A request that is refused gives its key back.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        pattern = r"^[!#-~]([ !#-~]*[!#-~])?$",
        max_length = 255
    )]
    idempotency_key: Option<String>,
}

/// A change of a certain version.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfMatch {
    /// Entity tags of which the row must have one, or `*`.
    #[param(
        rename = "If-Match",
        nullable = false,
        pattern = r#"^(\*|(W/)?"[!#-+\--~]*"(, (W/)?"[!#-+\--~]*"){0,15})?$"#
    )]
    if_match: Option<String>,
}

/// A document that the client may have.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfNoneMatch {
    /// Entity tags that the client has the documents of.
    #[param(
        rename = "If-None-Match",
        nullable = false,
        pattern = r#"^(\*|(W/)?"[!#-+\--~]*"(, (W/)?"[!#-+\--~]*"){0,15})?$"#
    )]
    if_none_match: Option<String>,
}

/// The agent or the organization that the path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct Id {
    /// Its identifier.
    #[param(format = "uuid")]
    id: String,
}

/// The credential that the path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct Cid {
    /// The credential's identifier.
    #[param(format = "uuid")]
    cid: String,
}

/// The key that the path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct Kid {
    /// The key's name: the thumbprint of RFC 7638.
    #[param(pattern = "^[A-Za-z0-9_-]{43}$")]
    kid: String,
}

/// The member that the path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberId {
    /// The identifier of the agent that is a member.
    #[param(rename = "agentId", format = "uuid")]
    agent_id: String,
}
