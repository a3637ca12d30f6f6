//! Members of an organization, and how an acting agent stands in it.

use crate::base::{AgentId, Jti, Timestamp};
use crate::model::{AgentStatus, OrgStatus, Role, Standing};

use super::{StoreError, Tx, Value};

const STANDING: &str = "SELECT a.organization_id, a.status, o.status, m.role,
        a.tokens_not_before, o.tokens_not_before, r.jti
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
        })
    })
}
