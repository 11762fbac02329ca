//! What can be asked of one Dev Box, and done to it.
//!
//! Everything that is done is accepted first and takes minutes: the box's own state tells how it goes, also after a
//! restart of whoever asked; [`Tracking`] only adds why it failed.

use http::Method;
use serde::Serialize;
use shraga_core::time::Timestamp;
use url::Url;

use super::Client;
use crate::error::Error;
use crate::model::actions::{Action, Delayed};
use crate::model::boxes::DevBox;
use crate::model::connection::RemoteConnection;
use crate::model::operations::{Page, Tracking};
use crate::names::{ActionName, BoxId, PoolName};

/// A Dev Box that was asked for.
#[derive(Clone, Debug)]
pub struct Created {
    /// As it is now.
    pub dev_box: DevBox,
    /// Where its making is asked after.
    pub tracking: Tracking,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    pool_name: &'a str,
}

impl Client {
    /// A Dev Box; `None` when there is none of this name. A project that doesn't exist has none either.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn dev_box(&self, id: &BoxId) -> Result<Option<DevBox>, Error> {
        match self.get(&path(id), &what(id)).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks for a Dev Box. Look first ([`Self::dev_box`]): what happens to one that exists is not known.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::Missing`] for a project or pool that doesn't exist, [`Error::Conflict`] when
    /// there is no room.
    pub async fn create(&self, id: &BoxId, pool: &PoolName) -> Result<Created, Error> {
        let wanted = Wanted {
            pool_name: pool.as_str(),
        };
        let what = format!("the project {} or its pool {pool}", id.project);
        let url = self.sender.url(&path(id), &[]);
        let body = self.body(&wanted)?;
        let reply = self.call(Method::PUT, url, Some(body), &what).await?;
        Ok(Created {
            dev_box: reply.json()?,
            tracking: reply.tracking(self.sender.base()),
        })
    }

    /// Starts or wakes it.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::Conflict`] in a state that it can't be started from.
    pub async fn start(&self, id: &BoxId) -> Result<Tracking, Error> {
        self.act(id, "start", &[]).await
    }

    /// Stops it; with `hibernate` it sleeps, which pool and box must support.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn stop(&self, id: &BoxId, hibernate: bool) -> Result<Tracking, Error> {
        let hibernate = if hibernate { "true" } else { "false" };
        self.act(id, "stop", &[("hibernate", hibernate)]).await
    }

    /// Starts it anew.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&self, id: &BoxId) -> Result<Tracking, Error> {
        self.act(id, "restart", &[]).await
    }

    /// Has the service try to mend it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn repair(&self, id: &BoxId) -> Result<Tracking, Error> {
        self.act(id, "repair", &[]).await
    }

    /// Deletes it with all that is on it; `None` when it was gone already.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn delete(&self, id: &BoxId) -> Result<Option<Tracking>, Error> {
        let url = self.sender.url(&path(id), &[]);
        match self.call(Method::DELETE, url, None, &what(id)).await {
            Ok(reply) if reply.status == 204 => Ok(None),
            Ok(reply) => Ok(Some(reply.tracking(self.sender.base()))),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How its person gets onto it.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::Missing`] when it is gone, or not ready for anybody.
    pub async fn remote_connection(&self, id: &BoxId) -> Result<RemoteConnection, Error> {
        let path = format!("{}/remoteConnection", path(id));
        self.get(&path, &what(id)).await
    }

    /// What the service is going to do to it by itself.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn actions(&self, id: &BoxId) -> Result<Vec<Action>, Error> {
        self.list(&format!("{}/actions", path(id)), &what(id)).await
    }

    /// Has the service put off an action until then.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn delay_action(
        &self,
        id: &BoxId,
        action: &ActionName,
        until: Timestamp,
    ) -> Result<Action, Error> {
        let url = self.delay(&format!("actions/{action}"), id, until);
        self.call(Method::POST, url, None, &what(id)).await?.json()
    }

    /// Has the service put off all actions until then; what came of each.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn delay_actions(&self, id: &BoxId, until: Timestamp) -> Result<Vec<Delayed>, Error> {
        let url = self.delay("actions", id, until);
        let reply = self.call(Method::POST, url, None, &what(id)).await?;
        let page: Page<Delayed> = reply.json()?;
        Ok(page.value)
    }

    fn delay(&self, of: &str, id: &BoxId, until: Timestamp) -> Url {
        let until = until.to_string();
        let path = format!("{}/{of}:delay", path(id));
        self.sender.url(&path, &[("until", &until)])
    }

    async fn act(&self, id: &BoxId, verb: &str, query: &[(&str, &str)]) -> Result<Tracking, Error> {
        let url = self.sender.url(&format!("{}:{verb}", path(id)), query);
        let reply = self.call(Method::POST, url, None, &what(id)).await?;
        Ok(reply.tracking(self.sender.base()))
    }

    pub(super) fn body(&self, value: &impl Serialize) -> Result<bytes::Bytes, Error> {
        let json = serde_json::to_vec(value);
        json.map(Into::into)
            .map_err(|error| self.sender.malformed(error.to_string()))
    }
}

/// A box's path.
pub(super) fn path(id: &BoxId) -> String {
    let BoxId {
        project,
        owner,
        name,
    } = id;
    format!("projects/{project}/users/{owner}/devboxes/{name}")
}

/// A box, for people.
pub(super) fn what(id: &BoxId) -> String {
    format!("the Dev Box {} of the project {}", id.name, id.project)
}
