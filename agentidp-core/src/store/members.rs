//! Members of an organization, and how an acting agent stands in it.

use crate::base::AgentId;
use crate::model::{AgentStatus, OrgStatus, Role, Standing};

use super::{StoreError, Tx, Value};

const STANDING: &str = "SELECT a.organization_id, a.status, o.status, m.role
    FROM agents a
    JOIN organizations o ON o.organization_id = a.organization_id
    LEFT JOIN members m ON m.organization_id = a.organization_id AND m.agent_id = a.agent_id
    WHERE a.organization_id = ?1 AND a.agent_id = ?2";

/// How the agent stands in its organization now. `None` when it is not there.
pub(crate) fn standing(tx: &mut dyn Tx, agent: &AgentId) -> Result<Option<Standing>, StoreError> {
    tx.tenant_row(STANDING, &[Value::Text(agent.as_str())], |row| {
        let role = row.text_or_null(3)?.map(Role::parse);
        Ok(Standing {
            agent_status: row.parsed(1, AgentStatus::parse)?,
            org_status: row.parsed(2, OrgStatus::parse)?,
            role: role.map(|role| role.ok_or(StoreError::Unreadable { column: 3 })).transpose()?,
        })
    })
}
