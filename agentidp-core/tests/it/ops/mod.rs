//! The verbs, through the front door, on every engine.

mod against_a_model;
mod agent_keys;
mod agent_status;
mod agents;
mod authority;
mod bad_input;
mod between;
mod client_keys;
mod credentials;
mod dpop;
mod engine;
mod examine;
mod exchange;
mod faults;
mod finish;
mod foreign;
mod heads;
mod import;
mod imported_agents;
mod instance_verbs;
mod introspection;
mod key_faults;
mod key_histories;
mod key_holder;
mod keys;
mod lagging;
mod longest;
mod main_job;
mod members;
mod older_logs;
mod once;
mod org_status;
mod orgs;
mod outbox;
mod owners;
#[cfg(feature = "policy-rego")]
mod policy;
mod public_api;
mod public_keys;
mod purging;
mod quota;
mod read_faults;
mod revocation;
mod standing;
mod submitted;
mod tenants;
mod token_algs;
mod token_life;
mod trail;

/// Instantiates each named test for every engine.
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(crate::ops::Engine::Memory); })*
        }
        mod file {
            $(#[test] fn $name() { super::$name(crate::ops::Engine::File); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $name() { super::$name(crate::ops::Engine::Postgres); })*
        }
    };
}
use engine::Engine;
use on_every_engine;
