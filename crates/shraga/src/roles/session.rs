//! A verb's connection to the store: which store, with whose token.
//!
//! An address that was set wins, with the token that was given or else the credentials'. Otherwise it is
//! the store of the data folder, with the person's token or the admin's, whichever the verb needs.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use shraga_core::ids::UserId;
use shraga_core::row::Table;
use shraga_dataverse::auth::TokenSource;
use shraga_dataverse::transport::{NetworkOptions, Transport, is_loopback, network};
use shraga_dataverse::{Client, Error, Names, Options, Pacing, Role, StoreInfo};
use url::Url;
use uuid::Uuid;

use super::credentials::{self, Source};
use super::folder::CERTIFICATE_FILE;
use crate::config::Percent;
use crate::config::{Config, env};
use crate::endpoint::{self, Endpoint};
use crate::exit::{Exit, Failure};
use crate::vitals;

/// Whose token a verb uses, when the data folder offers two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The person at this machine.
    Person,
    /// The admin.
    Admin,
}

/// A connection to a store, and who we are there.
#[derive(Clone, Debug)]
pub struct Session {
    /// The client.
    pub client: Client,
    /// Who the token stands for.
    pub me: UserId,
    /// What the embedded store says of itself; `None` at Dataverse.
    pub info: Option<StoreInfo>,
}

/// Where a store is and how to be let in.
struct Target {
    url: Url,
    /// The token; without one the credentials are asked.
    token: Option<SecretString>,
    certificate: Option<PathBuf>,
    /// The data folder it was found in.
    folder: Option<PathBuf>,
}

impl Session {
    /// Finds the store and asks it who we are.
    ///
    /// # Errors
    /// No store is configured, it can't be reached, or the token isn't accepted.
    pub async fn open(config: &Config, caller: Caller) -> Result<Self, Failure> {
        let target = target(config, caller)?;
        let client = client_at(config, &target)?;
        Self::greet(client)
            .await
            .map_err(|error| failed_at(error, &target))
    }

    /// The store whose data folder is `folder`, with the token in `token_file`, whatever the settings name.
    ///
    /// # Errors
    /// No store runs there, it can't be reached, or the token isn't accepted.
    pub async fn of_folder(
        config: &Config,
        folder: &Path,
        token_file: &Path,
    ) -> Result<(Self, Url), Failure> {
        let endpoint = Endpoint::read(folder)?;
        let target = in_folder(folder, &endpoint, endpoint::read_token(token_file)?)?;
        let client = client_at(config, &target)?;
        let session = Self::greet(client).await;
        let session = session.map_err(|error| failed_at(error, &target))?;
        Ok((session, target.url))
    }

    /// Finds the store and asks it whether it is the embedded one, and no more.
    ///
    /// # Errors
    /// No store is configured, it can't be reached, or the token isn't accepted.
    pub async fn connect(
        config: &Config,
        caller: Caller,
    ) -> Result<(Client, Option<StoreInfo>), Failure> {
        let target = target(config, caller)?;
        let client = client_at(config, &target)?;
        let info = client.store_info().await.map(Option::<&_>::cloned);
        let info = info.map_err(|error| failed_at(error, &target))?;
        Ok((client, info))
    }

    /// Asks the store behind `client` who we are, and Dataverse what it lacks of our columns.
    ///
    /// # Errors
    /// It can't be reached, or the token isn't accepted.
    pub async fn greet(client: Client) -> Result<Self, Error> {
        let info = client.store_info().await?.cloned();
        let me = match &info {
            Some(info) => info.user,
            None => {
                client.probe().await?;
                client.who_am_i().await?
            }
        };
        Ok(Self { client, me, info })
    }

    /// What the token may do; everything on Dataverse, where its own security decides.
    #[must_use]
    pub fn role(&self) -> Role {
        self.info.as_ref().map_or(Role::Admin, |info| info.role)
    }

    /// Whether it is the embedded store.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.info.is_some()
    }
}

fn target(config: &Config, caller: Caller) -> Result<Target, Failure> {
    if let Some(url) = &config.store.url {
        if credentials::source_of(config) == Source::Missing {
            return Err(no_token());
        }
        return Ok(Target {
            url: url.clone(),
            token: given_token(config)?,
            certificate: config.store.ca_file.clone(),
            folder: None,
        });
    }
    let folder = data_folder(config)?;
    let endpoint = Endpoint::read(&folder)?;
    let own = match caller {
        Caller::Person => &endpoint.user_token_file,
        Caller::Admin => &endpoint.token_file,
    };
    let token = match given_token(config)? {
        Some(token) => token,
        None => endpoint::read_token(own)?,
    };
    in_folder(&folder, &endpoint, token)
}

fn in_folder(folder: &Path, endpoint: &Endpoint, token: SecretString) -> Result<Target, Failure> {
    let certificate = folder.join(CERTIFICATE_FILE);
    Ok(Target {
        url: address(endpoint, folder)?,
        token: Some(token),
        certificate: certificate.is_file().then_some(certificate),
        folder: Some(folder.to_owned()),
    })
}

fn address(endpoint: &Endpoint, folder: &Path) -> Result<Url, Failure> {
    Url::parse(&endpoint.url).map_err(|error| {
        Failure::from_error(Exit::Configuration, error)
            .context(format!("endpoint.json in {} is damaged", folder.display()))
            .hint("restart the store there: it writes the file anew")
    })
}

/// The data folder that was set, or the one found upwards.
fn data_folder(config: &Config) -> Result<PathBuf, Failure> {
    if config.is_set("store.data") {
        return Ok(config.store.data.clone());
    }
    let here = std::env::current_dir()?;
    endpoint::find_folder(&here, env::home().as_deref()).ok_or_else(|| {
        Failure::new(
            Exit::Configuration,
            "no store: DATAVERSE_URL is not set, and there is no .shraga folder here or above",
        )
        .hint("set DATAVERSE_URL, and sign in with `az login` or set DATAVERSE_TOKEN; or start a store here with `shraga up`")
    })
}

fn given_token(config: &Config) -> Result<Option<SecretString>, Failure> {
    match (&config.store.token_file, &config.store.token) {
        // A file on the command line wins over a token in the environment.
        (Some(path), _) => endpoint::read_token(path).map(Some),
        (None, token) => Ok(token.clone()),
    }
}

fn no_token() -> Failure {
    Failure::new(Exit::Configuration, "no token for the store")
        .hint("set DATAVERSE_TOKEN, or give a file with --token-file; AZURE_TOKEN_CREDENTIALS asks Azure for one")
}

/// A client over the network, for the process's own settings.
fn client_at(config: &Config, target: &Target) -> Result<Client, Failure> {
    let roots = target.certificate.as_deref().map(read_certificate);
    let roots: Vec<_> = roots.transpose()?.into_iter().collect();
    let source = match &target.token {
        Some(token) => token.clone().into(),
        None => TokenSource::Credentials(credentials::for_store(config, &target.url, &roots)?),
    };
    let transport = network(&NetworkOptions {
        extra_roots_pem: roots,
        no_proxy: is_loopback(&target.url),
    })
    .map_err(|error| {
        Failure::new(
            Exit::Configuration,
            format!("can't use the network: {error}"),
        )
    })?;
    let mut options = options(config, target.url.clone(), transport);
    options.token = Some(source);
    if target.folder.is_none() {
        options.pacing = pacing_for(&target.url, config.store.share_percent);
        options.breaker = true;
    }
    Client::new(options).map_err(Failure::from)
}

/// Options that every client of this process shares.
pub(crate) fn options(config: &Config, base: Url, transport: Transport) -> Options {
    let mut options = Options::new(base, vitals::around(transport));
    options.request_timeout = config.store.request_timeout_seconds.duration();
    options.names = names(config);
    options.session = Some(Uuid::now_v7());
    options
}

/// Microsoft's service has limits per identity; an embedded store has none.
fn pacing_for(url: &Url, share: Percent) -> Pacing {
    let microsoft = url
        .host_str()
        .is_some_and(|host| host.ends_with(".dynamics.com"));
    if microsoft {
        Pacing::Dataverse {
            share_percent: share.0,
        }
    } else {
        Pacing::Unpaced
    }
}

/// What tables and columns are called, as configured.
pub(crate) fn names(config: &Config) -> Names {
    let schema = &config.schema;
    let names = Names::default()
        .with_set(Table::Tasks, &schema.tasks.0)
        .with_set(Table::Workers, &schema.workers.0)
        .with_set(Table::Events, &schema.events.0)
        .with_set(Table::Users, &schema.users.0);
    config.columns.iter().fold(names, |names, (ours, theirs)| {
        names.with_column(ours, theirs)
    })
}

fn read_certificate(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::from_error(Exit::Configuration, error)
            .context(format!("can't read the certificate {}", path.display()))
    })
}

/// The failure of the first request, with a hint about the data folder it was found in.
fn failed_at(error: Error, target: &Target) -> Failure {
    let refused = matches!(error, Error::Connect { .. });
    match &target.folder {
        Some(folder) if refused => endpoint::not_running(folder),
        _ => Failure::from(error).context(format!("can't talk to the store at {}", target.url)),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::BadAddress { .. } => Exit::Configuration,
            Error::Timeout { .. }
            | Error::Dns { .. }
            | Error::Connect { .. }
            | Error::Tls { .. }
            | Error::Broken { .. }
            | Error::Resting { .. }
            | Error::Unavailable(_) => Exit::Unreachable,
            Error::Throttled { .. } => Exit::TryAgain,
            Error::NoToken(why) if why.is_passing() => Exit::Unreachable,
            Error::Unauthenticated(_)
            | Error::TokenRefused { .. }
            | Error::NoToken(_)
            | Error::Forbidden(_) => Exit::Authentication,
            Error::Missing(_) => Exit::NotFound,
            Error::Conflict(_) => Exit::Conflict,
            Error::Refused(_)
            | Error::BadAnswer { .. }
            | Error::RepeatedNextLink(_)
            | Error::ForeignNextLink(_)
            | Error::TooLarge { .. }
            | Error::EmptyWrite { .. }
            | Error::Row(_)
            | Error::NotReached => Exit::Failed,
            Error::Lacking { .. } => Exit::Configuration,
        };
        let advice = error.advice();
        let failure = Self::from_error(exit, error);
        match advice {
            Some(advice) => failure.hint(advice),
            None => failure,
        }
    }
}
