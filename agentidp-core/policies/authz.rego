# Who may do what: the table that agentidp-core decides by without a policy, said in Rego. It is asked about each thing
# that an agent wants to do by an access token; whatever it does not allow is denied. docs/policy.md tells what is in
# `input`, and how to replace this file.
package agentidp.authz

default allow := false

# The scope that an agent needs for what is inside its own organization.
scope_for := {
	"agents.change": "agents:write",
	"agents.see": "agents:read",
	"audit.see": "audit:read",
	"credentials.change": "credentials:write",
	"credentials.see": "credentials:read",
	"tokens.introspect": "tokens:introspect",
	"tokens.revoke": "tokens:revoke",
}

# The roles that manage an organization. Whoever has `admin:orgs` in the system organization manages them all.
roles_for := {
	"members.manage": {"owner", "admin"},
	"org.change": {"owner", "admin"},
	"owners.manage": {"owner"},
}

# What concerns the instance, and is for agents of the system organization alone.
instance_scope_for := {
	"keys.manage": "admin:keys",
	"orgs.manage": "admin:orgs",
}

allow if {
	in_own_organization
	scope_for[input.action] in input.agent.scopes
}

allow if {
	in_own_organization
	input.agent.role in roles_for[input.action]
}

allow if {
	in_own_organization
	input.action == "org.see"
}

allow if {
	in_an_organization
	of_the_system_organization
	"admin:orgs" in input.agent.scopes
	concerns_an_organization
}

allow if {
	in_an_organization
	of_the_system_organization
	instance_scope_for[input.action] in input.agent.scopes
}

concerns_an_organization if input.action == "org.see"

concerns_an_organization if roles_for[input.action]

# The organization of the thing, which is not what the token says: an agent reaches its own alone.
in_own_organization if {
	in_an_organization
	input.organization == input.agent.organization
}

# A missing organization is nobody's, and is equal to no other that is missing.
in_an_organization if {
	is_string(input.organization)
	input.organization != ""
}

of_the_system_organization if {
	is_string(input.system)
	input.agent.organization == input.system
}
