//! What a claimed task asks for: read from its mirror once the claim holds.
//!
//! It is worth waiting for, since the task is claimed. What stands in it was written by a person and
//! is not trusted further than that.

use std::time::Duration;

use shraga_core::ids::MirrorId;
use shraga_core::row::{Table, tasks};
use shraga_core::worker::Finish;
use shraga_dataverse::{Client, Error};

use super::{Interrupt, unavailable};
use crate::clock;

/// Wait between two tries at reading it.
const PAUSE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// What the agent is asked to do.
    pub(crate) prompt: String,
}

impl Order {
    /// Reads the order of `mirror`: as long as it takes, unless the attempt is interrupted.
    pub(crate) async fn read(
        client: Client,
        mirror: MirrorId,
        interrupt: Interrupt,
    ) -> Result<Self, Box<Finish>> {
        let read = async {
            loop {
                match Self::read_once(&client, mirror).await {
                    Ok(order) => return Ok(order),
                    // Without a token nothing could be reported either; somebody will log in.
                    Err(error) if error.is_transient() || error.is_about_us() => {
                        clock::after(PAUSE).await;
                    }
                    Err(error) => {
                        let message = format!("its prompt could not be read: {error}");
                        return Err(Box::new(unavailable(&message)));
                    }
                }
            }
        };
        tokio::select! {
            order = read => order,
            why = interrupt.asked() => Err(Box::new(why.finish())),
        }
    }

    async fn read_once(client: &Client, mirror: MirrorId) -> Result<Self, Error> {
        let column = tasks::PROMPT.name();
        let row = client.get(Table::Tasks, mirror.get(), &[column]).await?;
        let object = row.map(|row| row.object()).transpose()?;
        let prompt = object
            .as_ref()
            .and_then(|object| object.get(column)?.as_str());
        Ok(Self {
            prompt: prompt.unwrap_or_default().to_owned(),
        })
    }
}
