//! Where a daemon's health and metrics are: bound, told, and written where scripts find it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shraga_web::{BindError, Bound};

use super::folder;
use crate::cli::Context;
use crate::endpoint::{create_folder, write_private};
use crate::exit::{Exit, Failure};
use crate::roles::server::address;

/// What `metrics-NAME.json` in the data folder holds.
#[derive(Debug, Serialize, Deserialize)]
struct Address {
    /// Where the rooms are, without a slash at its end.
    url: String,
    /// The process that shows them.
    pid: u32,
}

/// A file that tells the address.
#[derive(Debug)]
pub(super) struct Published(PathBuf);

/// Binds `listen`.
///
/// # Errors
/// It is no address, in use, or public.
pub(super) async fn bind(listen: &str, insecure: bool) -> Result<Bound, Failure> {
    let addr = address(listen, Exit::Usage)?;
    Bound::to(addr, insecure)
        .await
        .map_err(|error| match &error {
            BindError::Public(_) => Failure::from_error(Exit::Usage, error)
                .hint("give a loopback address such as 127.0.0.1:0, or add --insecure"),
            BindError::Address { source, .. } => {
                let taken = source.kind() == std::io::ErrorKind::AddrInUse;
                let (exit, hint) = match taken {
                    true => (
                        Exit::Conflict,
                        "choose another with --metrics-listen; port 0 takes a free one",
                    ),
                    false => (
                        Exit::Configuration,
                        "give an address of this machine with --metrics-listen",
                    ),
                };
                Failure::from_error(exit, error).hint(hint)
            }
        })
}

/// Says where `bound` is, and writes it into the data folder.
///
/// # Errors
/// The folder can't be written.
pub(super) fn publish(name: &str, bound: &Bound, context: &Context) -> Result<Published, Failure> {
    let url = format!("http://{}", bound.addr());
    context.say(format_args!(
        "Health and metrics at {url}/healthz, /readyz and /metrics"
    ));
    let folder = folder(name, context);
    let path = folder.join(format!("metrics-{name}.json"));
    let address = Address {
        url,
        pid: std::process::id(),
    };
    let text = serde_json::to_string_pretty(&address).map_err(std::io::Error::from)?;
    create_folder(&folder)
        .and_then(|()| write_private(&path, text.as_bytes()))
        .map_err(|error| Failure::from(error).context(format!("can't write {}", path.display())))?;
    Ok(Published(path))
}

impl Published {
    /// Removes the file, unless another process has written its own there.
    pub(super) fn withdraw(&self) {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let known: Option<Address> = serde_json::from_str(&text).ok();
        if known.is_some_and(|address| address.pid == std::process::id())
            && let Err(error) = std::fs::remove_file(&self.0)
        {
            tracing::debug!(%error, "the address of the metrics was gone already");
        }
    }
}
