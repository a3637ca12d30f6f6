//! Members of an organization, and how an acting agent stands in it.

use crate::base::{AgentId, Jti, Timestamp};
use crate::model::{AgentStatus, Member, OrgStatus, Role, Standing};

use super::{Row, StoreError, Tx, Value};

const STANDING: &str = "SELECT a.organization_id, a.status, o.status, m.role,
        a.tokens_not_before, o.tokens_not_before, r.jti,
        o.rate_limit_per_minute
    FROM agents a
    JOIN organizations o ON o.organization_id = a.organization_id
    LEFT JOIN members m ON m.organization_id = a.organization_id AND m.agent_id = a.agent_id
    LEFT JOIN revoked_tokens r ON r.organization_id = a.organization_id AND r.jti = ?3
    WHERE a.organization_id = ?1 AND a.agent_id = ?2";

/// How the agent and its token named `jti` stand in its organization now. `None` when the agent is
/// not there.
pub(crate) fn standing(
    tx: &mut dyn Tx,
    agent: &AgentId,
    jti: &Jti,
) -> Result<Option<Standing>, StoreError> {
    let params = [Value::Text(agent.as_str()), Value::Text(jti.as_str())];
    tx.tenant_row(STANDING, &params, |row| {
        let role = row.text_or_null(3)?.map(Role::parse);
        Ok(Standing {
            agent_status: row.parsed(1, AgentStatus::parse)?,
            org_status: row.parsed(2, OrgStatus::parse)?,
            role: role.map(|role| role.ok_or(StoreError::Unreadable { column: 3 })).transpose()?,
            tokens_not_before: Timestamp::from_micros(row.int(4)?.max(row.int(5)?)),
            token_revoked: !row.is_null(6)?,
            per_minute_max: row.int(7)?,
        })
    })
}

const GET: &str = "SELECT organization_id, agent_id, role, created_at, updated_at
    FROM members WHERE organization_id = ?1 AND agent_id = ?2";

/// The agent's membership, if it has one.
pub(crate) fn get(tx: &mut dyn Tx, agent: &AgentId) -> Result<Option<Member>, StoreError> {
    tx.tenant_row(GET, &[Value::Text(agent.as_str())], read)
}

const FROM: &str = "SELECT organization_id, agent_id, role, created_at, updated_at
    FROM members WHERE organization_id = ?1 AND agent_id >= ?2 ORDER BY agent_id LIMIT ?3";

/// The members from that agent on, in the order of their ids, at most `limit` of them.
pub(crate) fn from(
    tx: &mut dyn Tx,
    agent: Option<&AgentId>,
    limit: usize,
) -> Result<Vec<Member>, StoreError> {
    let from = agent.map_or("", AgentId::as_str);
    let params = [Value::Text(from), Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))];
    tx.tenant_rows(FROM, &params, read)
}

fn read(row: &dyn Row) -> Result<Member, StoreError> {
    Ok(Member {
        agent_id: row.parsed(1, |text| AgentId::parse(text).ok())?,
        role: row.parsed(2, Role::parse)?,
        created_at: Timestamp::from_micros(row.int(3)?),
        updated_at: Timestamp::from_micros(row.int(4)?),
    })
}

const OWNERS: &str = "SELECT organization_id FROM members
    WHERE organization_id = ?1 AND role = 'owner' LIMIT 2";

/// How many owners the organization has; two stand for more. Whoever decides on it holds the
/// organization's lock, or two owners could remove each other.
pub(crate) fn owners(tx: &mut dyn Tx) -> Result<usize, StoreError> {
    Ok(tx.tenant_rows(OWNERS, &[], |_| Ok(()))?.len())
}

const PUT: &str = "INSERT INTO members (organization_id, agent_id, role, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (organization_id, agent_id) DO UPDATE
        SET role = excluded.role, updated_at = excluded.updated_at";

/// Stores a membership, new or changed.
pub(crate) fn put(tx: &mut dyn Tx, member: &Member) -> Result<(), StoreError> {
    let params = [
        Value::Text(member.agent_id.as_str()),
        Value::Text(member.role.as_str()),
        Value::Int(member.created_at.as_micros()),
        Value::Int(member.updated_at.as_micros()),
    ];
    tx.execute(PUT, &params).map(|_| ())
}

const REMOVE: &str = "DELETE FROM members WHERE organization_id = ?1 AND agent_id = ?2";

/// Ends a membership.
pub(crate) fn remove(tx: &mut dyn Tx, agent: &AgentId) -> Result<(), StoreError> {
    tx.execute(REMOVE, &[Value::Text(agent.as_str())]).map(|_| ())
}
