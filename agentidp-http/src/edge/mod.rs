//! What happens to every request before its handler and after it: who may not ask, how much may be
//! sent, what is counted and logged.

mod body;
mod handle;

pub(crate) use body::GuardedBody;
pub(crate) use handle::handle;
