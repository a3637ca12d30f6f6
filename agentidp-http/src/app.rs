//! An instance with its routes.

use std::sync::Arc;

use agentidp_core::{AsyncIdp, Idp};
use axum::Router;
use axum::middleware;

use crate::answer::{Problem, request_id};
use crate::{api, oauth};

/// An instance that answers requests. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    idp: AsyncIdp,
}

impl App {
    /// The instance, with threads of its own for what waits for the disk.
    ///
    /// # Errors
    /// The system's error when a thread cannot be made.
    pub fn new(idp: Idp) -> std::io::Result<App> {
        Ok(App(Arc::new(Inner { idp: AsyncIdp::new(idp)? })))
    }

    /// All that is served to the public.
    pub fn router(&self) -> Router {
        Router::new()
            .merge(oauth::routes())
            .merge(api::routes())
            .fallback(|| async { Problem::not_found() })
            .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
            .layer(middleware::from_fn(request_id::attach))
            .with_state(self.clone())
    }

    /// The instance, for what an asynchronous host may do with it.
    pub(crate) fn idp(&self) -> &AsyncIdp {
        &self.0.idp
    }

    /// Runs a verb of the library on one of its threads.
    pub(crate) async fn run<T, E, A>(
        &self,
        verb: impl FnOnce(&Idp) -> Result<T, E> + Send + 'static,
    ) -> Result<T, A>
    where
        T: Send + 'static,
        E: Send + 'static,
        A: From<E> + From<agentidp_core::Overloaded>,
    {
        Ok(self.0.idp.run(verb).await??)
    }
}
