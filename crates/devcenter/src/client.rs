//! The client: what can be asked of a Dev Center and told to it. One method, one request (or one list, page by page).
//!
//! Clones share pace and transport. `client/boxes.rs` has what concerns one Dev Box, `client/customization.rs` what runs
//! on it; this file the rest.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::address;
use crate::error::Error;
use crate::model::boxes::DevBox;
use crate::model::customization::TaskDefinition;
use crate::model::operations::{Operation, OperationBody, Page};
use crate::model::projects::{Abilities, Pool, Project};
use crate::names::{Owner, PoolName, ProjectName};
use crate::send::{Call, Reply, Sender};
use crate::tokens::Tokens;
use crate::transport::Transport;

mod boxes;
mod customization;
#[cfg(test)]
mod tests;

pub use boxes::Created;

/// The most things of one list: far more than a project may have boxes. More would fill the memory.
const LISTED_MAX: usize = 10_000;
/// The most pages of one list: each costs one of 300 requests a minute.
const PAGES_MAX: usize = 100;

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// The Dev Center's address: `https`, or `http` on a loopback address.
    pub endpoint: Url,
    /// What carries requests.
    pub transport: Transport,
    /// Where tokens come from.
    pub tokens: Arc<dyn Tokens>,
    /// Total time of one request, from its turn on: token, connecting and answer.
    pub request_timeout: Duration,
}

/// A client of one Dev Center.
#[derive(Clone)]
pub struct Client {
    sender: Arc<Sender>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.sender.host();
        f.debug_struct("Client").field("host", &host).finish()
    }
}

impl Client {
    /// What a token has to be for.
    pub const SCOPE: &'static str = "https://devcenter.azure.com/.default";

    /// A client of the Dev Center at an address. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::BadAddress`]
    pub fn new(options: Options) -> Result<Self, Error> {
        let sender = Sender::new(
            &options.endpoint,
            options.transport,
            options.tokens,
            options.request_timeout,
        )?;
        Ok(Self {
            sender: Arc::new(sender),
        })
    }

    /// Host and port, for people.
    #[must_use]
    pub fn host(&self) -> String {
        self.sender.host()
    }

    /// The projects that the caller sees.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn projects(&self) -> Result<Vec<Project>, Error> {
        self.list("projects", "projects").await
    }

    /// A project.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::Missing`] when there is none of this name.
    pub async fn project(&self, project: &ProjectName) -> Result<Project, Error> {
        let what = format!("the project {project}");
        self.get(&format!("projects/{project}"), &what).await
    }

    /// A project's pools.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub async fn pools(&self, project: &ProjectName) -> Result<Vec<Pool>, Error> {
        let what = format!("the project {project}");
        self.list(&format!("projects/{project}/pools"), &what).await
    }

    /// A pool.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::Missing`] when there is none of this name.
    pub async fn pool(&self, project: &ProjectName, pool: &PoolName) -> Result<Pool, Error> {
        let what = format!("the pool {pool} of the project {project}");
        self.get(&format!("projects/{project}/pools/{pool}"), &what)
            .await
    }

    /// What the caller may do in a project, with the boxes of `owner`.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub async fn abilities(&self, project: &ProjectName, owner: Owner) -> Result<Abilities, Error> {
        let what = format!("the project {project}");
        self.get(
            &format!("projects/{project}/users/{owner}/abilities"),
            &what,
        )
        .await
    }

    /// What the project's catalogs offer to run on its boxes.
    ///
    /// # Errors
    /// As [`Self::project`].
    pub async fn customization_tasks(
        &self,
        project: &ProjectName,
    ) -> Result<Vec<TaskDefinition>, Error> {
        let what = format!("the project {project}");
        self.list(&format!("projects/{project}/customizationTasks"), &what)
            .await
    }

    /// Every Dev Box that the caller sees, whosever it is.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn boxes(&self) -> Result<Vec<DevBox>, Error> {
        self.list("devboxes", "Dev Boxes").await
    }

    /// The Dev Boxes of a person, in all projects.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn boxes_of(&self, owner: Owner) -> Result<Vec<DevBox>, Error> {
        let what = "this person's Dev Boxes";
        self.list(&format!("users/{owner}/devboxes"), what).await
    }

    /// How an operation is, at the address that [`Tracking`](crate::Tracking) gave.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::Foreign`] for an address that is not this Dev Center's.
    pub async fn operation(&self, at: &Url) -> Result<Operation, Error> {
        let call = Call {
            method: Method::GET,
            url: at.clone(),
            body: None,
            what: "this operation",
        };
        let reply = self.sender.send(&call).await?;
        let body: OperationBody = reply.json()?;
        Ok(Operation {
            state: body.status,
            error: body.error,
            retry_after: reply.limits.retry_after,
        })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T, Error> {
        let url = self.sender.url(path, &[]);
        self.call(Method::GET, url, None, what).await?.json()
    }

    async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<bytes::Bytes>,
        what: &str,
    ) -> Result<Reply, Error> {
        let call = Call {
            method,
            url,
            body,
            what,
        };
        self.sender.send(&call).await
    }

    /// All of a list, page after page. The address of the next comes from outside: it is followed at the configured
    /// host only, and never twice.
    async fn list<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        what: &str,
    ) -> Result<Vec<T>, Error> {
        let mut next = self.sender.url(path, &[]);
        let (mut seen, mut all) = (HashSet::new(), Vec::new());
        loop {
            if seen.len() == PAGES_MAX || !seen.insert(next.clone()) {
                let what = "a list that has no end".to_owned();
                return Err(self.sender.malformed(what));
            }
            let page = self.call(Method::GET, next, None, what).await?;
            let mut page: Page<T> = page.json()?;
            all.append(&mut page.value);
            if all.len() > LISTED_MAX {
                let what = format!("a list of more than {LISTED_MAX}");
                return Err(self.sender.malformed(what));
            }
            let Some(link) = page.next_link.filter(|link| !link.is_empty()) else {
                return Ok(all);
            };
            let foreign = |host| Error::Foreign { host };
            next = address::own(self.sender.base(), &link).map_err(foreign)?;
        }
    }
}
