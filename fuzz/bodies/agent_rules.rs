//! A text is kept as it stands, or refused, wherever an agent may have one.

use agentidp_core::{NewAgent, parsers};

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let bot = || NewAgent::new("bot");
    let kept = [
        parsers::agent(NewAgent::new(text)).map(|agent| vec![agent.name]),
        parsers::agent(bot().description(text)).map(|agent| Vec::from_iter(agent.description)),
        parsers::agent(bot().owner(text)).map(|agent| Vec::from_iter(agent.owner)),
        parsers::agent(bot().url(text)).map(|agent| Vec::from_iter(agent.url)),
        parsers::agent(bot().audience(text)).map(|agent| agent.audiences),
        parsers::agent(bot().capability(text)).map(|agent| agent.capabilities),
        parsers::agent(bot().scope(text)).map(|agent| vec![agent.scopes.to_string()]),
    ];
    for kept in kept.into_iter().flatten() {
        assert_eq!(kept, [text]);
        assert!(!text.is_empty() && !text.chars().any(char::is_control));
    }
    // Lists, of which each line is an item: what is kept of one is kept again.
    if let Ok(agent) = parsers::agent(text.lines().fold(bot(), NewAgent::audience)) {
        let again = agent.audiences.iter().fold(bot(), NewAgent::audience);
        assert_eq!(parsers::agent(again).map(|again| again.audiences), Ok(agent.audiences));
    }
    if let Ok(agent) = parsers::agent(text.lines().fold(bot(), NewAgent::capability)) {
        let again = agent.capabilities.iter().fold(bot(), NewAgent::capability);
        assert_eq!(parsers::agent(again).map(|again| again.capabilities), Ok(agent.capabilities));
    }
    if let Ok(agent) = parsers::agent(text.lines().fold(bot(), NewAgent::scope)) {
        let again = agent.scopes.iter().fold(bot(), NewAgent::scope);
        assert_eq!(parsers::agent(again).map(|again| again.scopes), Ok(agent.scopes));
    }
}
