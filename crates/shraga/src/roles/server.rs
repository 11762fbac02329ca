//! The store's listener, and the `endpoint.json` that tells where it is.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use shraga_local::http;
use shraga_local::serve::{self, ListenError, ListenOptions, Listener, Tls};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::folder::{CERTIFICATE_FILE, Folder};
use crate::cli::serve::ListenArgs;
use crate::config::Store as Settings;
use crate::endpoint::{Endpoint, write_private};
use crate::exit::{Exit, Failure};

/// The folder in the data folder that keeps a self-signed certificate and its key.
const TLS_FOLDER: &str = "tls";

/// A listening store.
#[derive(Debug)]
pub struct Server {
    url: String,
    folder: PathBuf,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it has stopped, and withdraws the endpoint.
    ///
    /// # Errors
    /// The socket failed while serving.
    pub async fn finished(self) -> Result<Exit, Failure> {
        let ended = self.serving.await;
        Endpoint::withdraw(&self.folder);
        ended
            .map_err(|error| Failure::from_error(Exit::Failed, error))?
            .map_err(|error| Failure::from(error).context("the listener failed"))?;
        Ok(Exit::Done)
    }
}

/// Binds the address, serves until `stop`, and publishes the endpoint.
///
/// # Errors
/// The address is no address, is in use, or would need TLS.
pub async fn start(
    folder: &Folder,
    settings: &Settings,
    args: &ListenArgs,
    stop: &CancellationToken,
) -> Result<Server, Failure> {
    let options = ListenOptions {
        addr: address(&settings.listen, Exit::Configuration)?,
        tls: tls(folder, args),
        insecure: args.insecure,
    };
    let listener = Listener::bind(&options)?;
    let url = listener.url();
    publish_certificate(folder, &listener)?;
    let router = http::service(folder.store.clone());
    let serving = tokio::spawn(serve::run(listener, router, stop.clone()));
    let endpoint = Endpoint {
        url: url.clone(),
        token_file: folder.admin_token_file(),
        user_token_file: folder.user_token_file(),
    };
    endpoint
        .publish(&folder.path)
        .map_err(|error| Failure::from(error).context("can't write endpoint.json"))?;
    Ok(Server {
        url,
        folder: folder.path.clone(),
        serving,
    })
}

fn tls(folder: &Folder, args: &ListenArgs) -> Tls {
    match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Tls::Pem {
            cert: cert.clone(),
            key: key.clone(),
        },
        _ if args.tls_self_signed => Tls::SelfSigned {
            folder: folder.path.join(TLS_FOLDER),
        },
        _ => Tls::Off,
    }
}

/// The certificate, for those who talk to the store; none is left over from an earlier start.
fn publish_certificate(folder: &Folder, listener: &Listener) -> Result<(), Failure> {
    let published = folder.path.join(CERTIFICATE_FILE);
    match listener.certificate() {
        Some(certificate) => write_private(&published, &std::fs::read(certificate)?)?,
        None if published.exists() => std::fs::remove_file(&published)?,
        None => {}
    }
    Ok(())
}

/// An address to listen on; one that can't be read ends with `exit`.
pub(crate) fn address(text: &str, exit: Exit) -> Result<SocketAddr, Failure> {
    let found = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| {
        Failure::new(exit, format!("`{text}` is not an address to listen on"))
            .hint("give an address and a port, such as 127.0.0.1:7443; port 0 takes a free one")
    })
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        let (exit, hint) = match &error {
            ListenError::InUse { .. } => (Exit::Conflict, "choose another with --listen"),
            ListenError::Address { .. } => (
                Exit::Configuration,
                "give an address of this machine with --listen",
            ),
            ListenError::Unencrypted { .. } => (
                Exit::Usage,
                "use --tls-cert and --tls-key, --tls-self-signed, or --insecure",
            ),
            ListenError::Certificate { .. } => (
                Exit::Configuration,
                "both files must be PEM and readable by you",
            ),
        };
        Self::from_error(exit, error).hint(hint)
    }
}
