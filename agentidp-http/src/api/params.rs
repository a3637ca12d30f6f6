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

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageOf {
    /// Most items of the page; 50 unless given.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
    /// The `nextCursor` of the page before; the first page unless given.
    #[param(min_length = 1, max_length = 256, example = "01900000-0000-7000-8000-000000000001")]
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
        pattern = r"^[A-Za-z0-9._~-]+$",
        min_length = 1,
        max_length = 255
    )]
    idempotency_key: Option<String>,
}

/// A change of a certain version.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfMatch {
    /// Entity tags of which the row must have one, or `*`.
    #[param(rename = "If-Match", pattern = r#"^(\*|"[0-9]{1,18}")$"#)]
    if_match: Option<String>,
}

/// A document that the client may have.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfNoneMatch {
    /// Entity tags that the client has the documents of.
    #[param(rename = "If-None-Match", pattern = r#"^(\*|(W/)?"[0-9]{1,18}")$"#)]
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

/// The member that the path names.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MemberId {
    /// The identifier of the agent that is a member.
    #[param(rename = "agentId", format = "uuid")]
    agent_id: String,
}
