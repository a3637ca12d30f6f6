# `opa test policies` runs these, and so does whoever loads the policy.
package agentidp.authz_test

import data.agentidp.authz

system := "00000000-0000-0000-0000-000000000001"

acme := "01900000-0000-7000-8000-000000000001"

globex := "01900000-0000-7000-8000-000000000002"

# What an agent of `organization` with `scopes` asks for: `action` in acme.
question(organization, scopes, action) := {
	"version": 1,
	"action": action,
	"organization": acme,
	"system": system,
	"agent": {
		"id": "01900000-0000-7000-8000-0000000000a1",
		"organization": organization,
		"scopes": scopes,
	},
}

# The same of a member.
member_question(organization, role, action) := object.union(
	question(organization, [], action),
	{"agent": {"role": role}},
)

every_scope := [
	"admin:keys",
	"admin:orgs",
	"agents:read",
	"agents:write",
	"audit:read",
	"credentials:read",
	"credentials:write",
	"tokens:introspect",
	"tokens:revoke",
]

every_action := {
	"agents.change",
	"agents.see",
	"audit.see",
	"credentials.change",
	"credentials.see",
	"keys.manage",
	"members.manage",
	"org.change",
	"org.see",
	"orgs.manage",
	"owners.manage",
	"tokens.introspect",
	"tokens.revoke",
}

test_a_scope_allows_what_it_is_for if {
	every action, scope in authz.scope_for {
		authz.allow with input as question(acme, [scope], action)
		not authz.allow with input as question(acme, ["tools:read"], action)
		not authz.allow with input as question(acme, [], action)
	}
}

test_a_scope_allows_nothing_else if {
	authz.allow with input as question(acme, ["agents:read"], "agents.see")
	every action in every_action - {"agents.see", "org.see"} {
		not authz.allow with input as question(acme, ["agents:read"], action)
	}
}

test_nobody_reaches_another_organization if {
	every action in every_action {
		not authz.allow with input as question(globex, every_scope, action)
	}
	every role in ["owner", "admin", "member"] {
		every action in every_action {
			not authz.allow with input as member_question(globex, role, action)
		}
	}
}

test_any_token_sees_its_own_organization if {
	authz.allow with input as question(acme, [], "org.see")
	not authz.allow with input as question(globex, [], "org.see")
}

test_roles_manage_their_organization if {
	authz.allow with input as member_question(acme, "owner", "owners.manage")
	authz.allow with input as member_question(acme, "owner", "members.manage")
	authz.allow with input as member_question(acme, "admin", "members.manage")
	authz.allow with input as member_question(acme, "admin", "org.change")
	not authz.allow with input as member_question(acme, "admin", "owners.manage")
	not authz.allow with input as member_question(acme, "member", "org.change")
	not authz.allow with input as member_question(acme, "Owner", "org.change")
}

test_the_system_organization_administers if {
	authz.allow with input as question(system, ["admin:orgs"], "orgs.manage")
	authz.allow with input as question(system, ["admin:orgs"], "owners.manage")
	authz.allow with input as question(system, ["admin:orgs"], "org.see")
	authz.allow with input as question(system, ["admin:keys"], "keys.manage")
	not authz.allow with input as question(system, ["admin:keys"], "orgs.manage")
	not authz.allow with input as question(system, ["admin:orgs"], "keys.manage")
}

test_administration_sees_nothing_inside_an_organization if {
	every action, _ in authz.scope_for {
		not authz.allow with input as question(system, every_scope, action)
	}
}

test_administration_is_for_the_system_organization_alone if {
	every action in ["orgs.manage", "keys.manage"] {
		not authz.allow with input as question(acme, every_scope, action)
	}
}

test_without_an_organization_nothing_is_allowed if {
	every action in every_action {
		every agent_of in [acme, system] {
			every missing in [null, "", 0, false, [], {}] {
				asked := object.union(question(agent_of, every_scope, action), {"organization": missing})
				not authz.allow with input as asked
			}
			not authz.allow with input as object.remove(question(agent_of, every_scope, action), ["organization"])
		}
	}
}

test_two_missing_organizations_are_not_the_same if {
	every missing in [null, "", 0, {}] {
		asked := object.union(question(missing, every_scope, "agents.see"), {"organization": missing})
		not authz.allow with input as asked
	}
	not authz.allow with input as {"action": "agents.see", "agent": {"scopes": every_scope}}
	not authz.allow with input as {"action": "org.see", "agent": {}}
}

test_without_the_name_of_the_system_organization_nobody_administers if {
	not authz.allow with input as object.remove(question(system, every_scope, "orgs.manage"), ["system"])
	not authz.allow with input as object.union(question(null, every_scope, "orgs.manage"), {"system": null})
}

test_what_is_not_in_the_table_is_denied if {
	not authz.allow with input as question(acme, every_scope, "agents.delete")
	not authz.allow with input as question(acme, every_scope, null)
	not authz.allow with input as {}
	not authz.allow with input as null
}
