//! `shraga serve`: the embedded store by itself.

use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::config::Overrides;
use crate::exit::{Exit, Failure};
use crate::roles::{folder, server, signals};
use crate::vitals::{MetricsArgs, Vitals};

/// Run the embedded store
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shraga serve --data /var/lib/shraga
  shraga serve --listen 0.0.0.0:7443 --tls-self-signed

The store speaks the Dataverse Web API under /api/data/v9.2/. Once it accepts requests, DATA/endpoint.json \
names its address and the token files; other commands find it there. Stop it with Ctrl-C: requests \
under way are finished first, a second Ctrl-C ends at once.")]
pub struct Serve {
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
}

/// Where and how to listen.
#[derive(Clone, Debug, Args)]
pub struct ListenArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Certificate chain for TLS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key for TLS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Use TLS with a certificate made on the spot (DATA/tls-cert.pem)
    #[arg(long, conflicts_with = "tls_cert")]
    pub tls_self_signed: bool,
    /// Listen on other than loopback addresses without TLS: tokens can then be read on the way
    #[arg(long)]
    pub insecure: bool,
}

impl ListenArgs {
    pub(crate) fn overrides(&self, flags: &mut Overrides) {
        if let Some(address) = &self.listen {
            flags.insert("store.listen", address.clone());
        }
    }
}

impl Serve {
    pub(crate) async fn run(self, context: Context) -> Result<Exit, Failure> {
        let stop = signals::watch();
        let (metrics, insecure) = (&self.metrics, self.listen.insecure);
        let vitals = Vitals::start("serve", &context, metrics, insecure, &stop).await?;
        let folder = folder::open(&context.config.store.data, "serve").await?;
        let server =
            server::start(&folder, &context.config.store, &self.listen, &stop.drain).await?;
        context.say(format_args!(
            "The store listens on {} and keeps its data in {}",
            server.url(),
            folder.path.display()
        ));
        vitals.watch(Vec::new());
        server.finished().await
    }
}
