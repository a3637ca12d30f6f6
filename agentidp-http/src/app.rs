//! An instance with its routes.

use std::sync::Arc;

use agentidp_core::{AsyncIdp, Idp};
use axum::Router;
use axum::middleware;

use crate::answer::{Problem, request_id};
use crate::oauth::Documents;
use crate::{api, oauth};

/// An instance that answers requests. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    idp: AsyncIdp,
    documents: Documents,
}

impl App {
    /// The instance, with threads of its own for what waits for the disk.
    ///
    /// # Errors
    /// The system's error when a thread cannot be made.
    pub fn new(idp: Idp) -> std::io::Result<App> {
        let documents = Documents::new(&idp);
        Ok(App(Arc::new(Inner { idp: AsyncIdp::new(idp)?, documents })))
    }

    /// All that is served to the public, under the issuer's path where it has one.
    pub fn router(&self) -> Router {
        let base = self.documents().base_path();
        let served = Router::new().merge(oauth::routes()).merge(api::routes(self));
        let served = if base.is_empty() { served } else { Router::new().nest(base, served) };
        Router::new()
            .merge(served)
            .merge(oauth::well_known(base))
            .fallback(|| async { Problem::not_found() })
            .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
            .layer(middleware::from_fn_with_state(self.clone(), request_id::attach))
            .with_state(self.clone())
    }

    /// The instance, for what an asynchronous host may do with it.
    pub(crate) fn idp(&self) -> &AsyncIdp {
        &self.0.idp
    }

    /// What the instance tells everybody about itself.
    pub(crate) fn documents(&self) -> &Documents {
        &self.0.documents
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
