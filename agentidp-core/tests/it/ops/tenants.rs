//! Two organizations: neither sees, uses or learns of what the other has.

use agentidp_core::{
    AgentError, AgentId, CredentialError, NewAgent, NewCredential, OrgId, PageRequest, SystemClock,
    SystemRng,
};

use super::Engine;

super::on_every_engine!(
    a_foreign_id_answers_exactly_like_a_missing_one,
    trails_do_not_mix,
    a_resource_of_one_organization_refuses_the_agents_of_another,
    an_agent_limit_is_that_of_its_own_organization,
    a_limit_holds_when_many_register_at_once,
);

fn a_foreign_id_answers_exactly_like_a_missing_one(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    let missing = AgentId::generate(&SystemClock, &SystemRng).unwrap();
    let org = test.idp.org(&globex.org.id);
    let before = test.trail(&acme.org.id);
    for id in [&acme.agent.id, &missing] {
        assert!(matches!(org.agent(id), Err(AgentError::NotFound)));
        let issued = org.issue_credential(id, NewCredential::default());
        assert!(matches!(issued, Err(CredentialError::NotFound)));
    }
    let told = |id| org.agent(id).unwrap_err().to_string();
    assert_eq!(told(&acme.agent.id), told(&missing));
    assert_eq!(test.trail(&acme.org.id), before);
    // An organization that does not exist answers like one without the agent.
    let nowhere = OrgId::generate(&SystemClock, &SystemRng).unwrap();
    let nowhere = test.idp.org(&nowhere);
    assert!(matches!(nowhere.agent(&acme.agent.id), Err(AgentError::NotFound)));
    let registered = nowhere.register_agent(NewAgent::new("bot"));
    assert!(matches!(registered, Err(AgentError::NotFound)));
    assert!(nowhere.audit(&PageRequest::first()).is_err());
    test.finish();
}

fn trails_do_not_mix(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    for _ in 0..3 {
        test.idp.token(&acme.request()).unwrap();
    }
    assert_eq!(test.trail(&acme.org.id).len(), 6);
    assert_eq!(test.trail(&globex.org.id).len(), 3);
    let page = test.idp.org(&globex.org.id).audit(&PageRequest::first()).unwrap();
    let text = serde_json::to_string(&page).unwrap();
    assert!(!text.contains(acme.org.id.as_str()) && !text.contains(acme.agent.id.as_str()));
    test.finish();
}

fn an_agent_limit_is_that_of_its_own_organization(engine: Engine) {
    let test = engine.idp();
    let small = test.idp.create_org(agentidp_core::NewOrg::new("small").max_agents(1)).unwrap();
    let acme = test.tenant("acme");
    let org = test.idp.org(&small.id);
    org.register_agent(NewAgent::new("one")).unwrap();
    let second = org.register_agent(NewAgent::new("two"));
    assert!(matches!(second, Err(AgentError::LimitReached(1))));
    test.idp.org(&acme.org.id).register_agent(NewAgent::new("two")).unwrap();
    assert_eq!(test.trail(&small.id).last().unwrap(), "agent.created Refused");
    test.finish();
}

fn a_limit_holds_when_many_register_at_once(engine: Engine) {
    let test = engine.idp();
    let small = test.idp.create_org(agentidp_core::NewOrg::new("small").max_agents(5)).unwrap();
    let made = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..12)
            .map(|n| {
                let org = test.idp.org(&small.id);
                scope.spawn(move || org.register_agent(NewAgent::new(format!("{n}"))).is_ok())
            })
            .collect();
        callers.into_iter().map(|c| c.join().unwrap()).filter(|made| *made).count()
    });
    assert_eq!(made, 5);
    test.finish();
}

fn a_resource_of_one_organization_refuses_the_agents_of_another(engine: Engine) {
    let test = engine.idp();
    let (acme, globex) = test.two_orgs();
    // Both agents are registered with the same audience: that alone tells no tenants apart.
    let verifier = (*test.idp.verifier()).clone();
    let of_acme = verifier.clone().organization(acme.org.id.as_str());
    for (tenant, accepted) in [(&acme, true), (&globex, false)] {
        let token = test.idp.token(&tenant.request()).unwrap().access_token;
        assert!(verifier.verify_access_token(&token, agentidp_testkit::API).is_ok());
        let verified = of_acme.verify_access_token(&token, agentidp_testkit::API);
        assert_eq!(verified.is_ok(), accepted);
    }
    test.finish();
}
