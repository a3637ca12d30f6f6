//! The commands, one file for each noun.

pub(crate) mod agent;
mod asked;
pub(crate) mod audit;
pub(crate) mod completions;
mod confirm;
pub(crate) mod credential;
pub(crate) mod db;
mod dispatch;
pub(crate) mod doctor;
mod duration;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod man;
pub(crate) mod openapi;
pub(crate) mod org;
mod org_flag;
mod page_flags;
pub(crate) mod quickstart;
mod refusals;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod worker;

pub(crate) use dispatch::run;
use org_flag::{OrgFlag, agent_id, credential_id};
use page_flags::PageFlags;
