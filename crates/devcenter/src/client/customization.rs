//! Customization groups: what is run on a Dev Box, and how it goes.

use http::Method;
use serde::Serialize;
use uuid::Uuid;

use super::Client;
use super::boxes::{path, what};
use crate::error::Error;
use crate::model::customization::{Group, Task};
use crate::names::{BoxId, GroupName};

#[derive(Serialize)]
struct Wanted<'a> {
    tasks: &'a [Task],
}

impl Client {
    /// Has these tasks run on a box, one after the other. It begins by itself; [`Self::customization`] tells how it goes.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::Refused`] for a task that no catalog has.
    pub async fn customize(
        &self,
        id: &BoxId,
        group: &GroupName,
        tasks: &[Task],
    ) -> Result<Group, Error> {
        let url = self.sender.url(&group_path(id, group), &[]);
        let body = self.body(&Wanted { tasks })?;
        let reply = self.call(Method::PUT, url, Some(body), &what(id)).await?;
        reply.json()
    }

    /// How a group is; `None` when the box has none of this name.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn customization(
        &self,
        id: &BoxId,
        group: &GroupName,
    ) -> Result<Option<Group>, Error> {
        match self.get(&group_path(id, group), &what(id)).await {
            Ok(group) => Ok(Some(group)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a task of a group printed. It may be of any kind: clean it before it is shown.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn customization_log(
        &self,
        id: &BoxId,
        group: &GroupName,
        task: Uuid,
    ) -> Result<String, Error> {
        let path = format!("{}/logs/{task}", group_path(id, group));
        let url = self.sender.url(&path, &[]);
        let reply = self.call(Method::GET, url, None, "this log").await?;
        Ok(reply.text())
    }
}

fn group_path(id: &BoxId, group: &GroupName) -> String {
    format!("{}/customizationGroups/{group}", path(id))
}
