//! A store that knows some tokens, a sign-in service, tools of one's own, and a clock moved by hand.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use shraga_core::time::{Span, Timestamp};
use shraga_dataverse::auth::{
    Choice, Credentials, Kind, NoToken, Roads, Settings, TokenSource, Why,
};
use shraga_dataverse::transport::{NetworkOptions, Transport, network};
use shraga_dataverse::{Client, Error, Options};

use crate::server::{Say, Server};

/// Long enough that only a hang reaches it.
pub(crate) const AMPLE: Duration = Duration::from_secs(60);

/// Short enough to wait for.
pub(crate) const SHORT: Duration = Duration::from_millis(500);

/// The time, as this machine tells it until a test moves it.
#[derive(Clone, Default)]
pub(crate) struct HandClock(Arc<AtomicI64>);

impl HandClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> Timestamp {
        let real = jiff::Timestamp::now().as_second();
        Timestamp::from_secs(real).plus(Span::secs(self.0.load(Ordering::SeqCst)))
    }
}

/// Everything a test needs to make a client that asks for its token.
pub(crate) struct World {
    pub(crate) clock: HandClock,
    pub(crate) settings: Settings,
    pub(crate) request_timeout: Duration,
    pub(crate) roads: Roads,
    tools: tempfile::TempDir,
}

impl World {
    /// Nothing is set up, and no tool installed.
    pub(crate) fn new(choice: Choice) -> Self {
        let tools = tempfile::tempdir().unwrap();
        std::fs::create_dir(tools.path().join("bin")).unwrap();
        let path = format!("{}:/usr/bin:/bin", tools.path().join("bin").display());
        let settings = Settings {
            choice,
            deadline: AMPLE,
            tool_environment: BTreeMap::from([
                ("PATH".to_owned(), path),
                ("HOME".to_owned(), tools.path().display().to_string()),
            ]),
            ..Settings::default()
        };
        Self {
            clock: HandClock::default(),
            settings,
            request_timeout: AMPLE,
            roads: Roads {
                outside: road(&[]),
                direct: road(&[]),
            },
            tools,
        }
    }

    /// A service principal that signs in at `service`.
    pub(crate) fn with_principal(mut self, service: &Server) -> Self {
        self.settings.client_secret = Some("s3cret-of-the-application".to_owned().into());
        self.with_application(service)
    }

    /// An application that signs in at `service`; how it proves itself is the test's to say.
    pub(crate) fn with_application(mut self, service: &Server) -> Self {
        self.settings.tenant_id = Some("tenant".to_owned());
        self.settings.client_id = Some("client".to_owned());
        self.settings.authority.clone_from(&service.address);
        self.roads.outside = road(&service.certificate);
        self.roads.direct = road(&service.certificate);
        self
    }

    /// Where the test may put files.
    pub(crate) fn folder(&self) -> &Path {
        self.tools.path()
    }

    /// Installs (or replaces) a tool; `script` is run by the shell.
    pub(crate) fn install(&self, tool: &str, script: &str) {
        let fresh = self.folder().join("fresh");
        std::fs::write(&fresh, script).unwrap();
        std::fs::rename(fresh, self.folder().join(format!("{tool}.script"))).unwrap();
        let stand_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/credentials/tool.sh");
        let _ = std::os::unix::fs::symlink(stand_in, self.folder().join("bin").join(tool));
    }

    /// An `az` that gives `token`, good for `seconds`.
    pub(crate) fn log_in(&self, token: &str, seconds: i64) {
        self.install("az", &az_says(token, self.clock.now().as_secs() + seconds));
    }

    /// How often a tool that notes its starts was started.
    pub(crate) fn starts(&self) -> usize {
        let text = std::fs::read_to_string(self.folder().join("starts")).unwrap_or_default();
        text.lines().count()
    }

    pub(crate) fn credentials(&self, store: &Server) -> Credentials {
        let clock = self.clock.clone();
        Credentials::new(
            self.settings.clone(),
            &store.address.parse().unwrap(),
            self.roads.clone(),
            Arc::new(move || clock.now()),
        )
    }

    /// A client of `store` that asks for its token.
    pub(crate) fn client(&self, store: &Server) -> Client {
        let mut options = Options::new(store.address.parse().unwrap(), road(&[]));
        options.first_retry_delay = Duration::from_millis(1);
        options.request_timeout = self.request_timeout;
        options.token = Some(TokenSource::Credentials(self.credentials(store)));
        Client::new(options).unwrap()
    }
}

/// The script of an `az` that notes that it was started and gives `token` until `expires`.
pub(crate) fn az_says(token: &str, expires: i64) -> String {
    format!(
        "echo \"$@\" >> \"$HOME/starts\"\n\
         echo '{{\"accessToken\": \"{token}\", \"expires_on\": {expires}, \"tokenType\": \"Bearer\"}}'"
    )
}

/// A way out that trusts `certificate`.
pub(crate) fn road(certificate: &[u8]) -> Transport {
    let trusted = Some(certificate.to_vec()).filter(|pem| !pem.is_empty());
    network(&NetworkOptions {
        extra_roots_pem: trusted.into_iter().collect(),
        no_proxy: true,
    })
    .unwrap()
}

/// A store that lets `tokens` in and answers 401 to all others.
pub(crate) async fn store(tokens: &[&'static str]) -> Server {
    let known: Vec<String> = tokens
        .iter()
        .map(|token| format!("Bearer {token}\r\n"))
        .collect();
    Server::plain(move |request| {
        if known.iter().any(|bearer| request.contains(bearer)) {
            welcome()
        } else {
            Say::This(401, String::new())
        }
    })
    .await
}

pub(crate) fn welcome() -> Say {
    let id = "0193f0a1-b2c3-7d4e-8f90-112233445566";
    let body = format!(r#"{{"UserId":"{id}","BusinessUnitId":"{id}","OrganizationId":"{id}"}}"#);
    Say::This(200, body)
}

/// A sign-in service that gives `tokens` one after the other, the last one again and again. The first
/// is good for an hour, each other for an hour longer than the one before.
pub(crate) async fn sign_in(tokens: &[&'static str]) -> Server {
    let tokens = tokens.to_vec();
    let given_so_far = AtomicUsize::new(0);
    Server::tls(move |_| {
        let index = given_so_far.fetch_add(1, Ordering::SeqCst);
        let index = index.min(tokens.len() - 1);
        given(tokens[index], 3600 * (index + 1))
    })
    .await
}

pub(crate) fn given(token: &str, seconds: usize) -> Say {
    let body =
        format!(r#"{{"token_type":"Bearer","expires_in":{seconds},"access_token":"{token}"}}"#);
    Say::This(200, body)
}

/// The failure of a request that had no token.
pub(crate) async fn no_token(client: &Client) -> NoToken {
    match client.who_am_i().await.unwrap_err() {
        Error::NoToken(why) => why,
        other => panic!("{other:?}"),
    }
}

/// Why the only credential that was tried gave none.
pub(crate) fn only(no_token: &NoToken, kind: Kind) -> Why {
    let [trouble] = no_token.tried.as_slice() else {
        panic!("{no_token}")
    };
    assert_eq!(trouble.kind, kind);
    trouble.why.clone()
}
