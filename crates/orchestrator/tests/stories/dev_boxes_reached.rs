//! A Dev Center that can't be reached, over the program's own network: a name that nobody has, a certificate that nobody
//! trusts, a port that refuses, a connection that is accepted and never answered. Each is said in the words of what
//! really happened, and is over when it is over.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use shraga_core::machine::{Inventory, Trouble, TroubleClass};
use shraga_core::time::Timestamp;
use shraga_dataverse::transport::{NetworkOptions, network};
use shraga_devcenter::{Client, Options};
use shraga_orchestrator::machines::Provider as _;
use shraga_orchestrator::machines::dev_box::{DevBoxes, Whose};
use shraga_testkit::center::Center;
use shraga_testkit::evil::{self, Act, Certificate, Evil};
use shraga_testkit::faults::Faults;
use shraga_testkit::stage::Stage;

use crate::dev_boxes::{Token, place};

const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);

/// Time of one request, so that a test of one that hangs is short.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the Dev Center at an address has.
async fn list(endpoint: &str) -> Result<Inventory, Trouble> {
    let options = NetworkOptions {
        extra_roots_pem: Vec::new(),
        no_proxy: true,
    };
    let client = Client::new(Options {
        endpoint: endpoint.parse().unwrap(),
        transport: network(&options).unwrap(),
        tokens: Arc::new(Token),
        request_timeout: PATIENCE,
    });
    let stage = Stage::new().await;
    let store = stage.admin_client(&Faults::new());
    let provider = DevBoxes::new(client.unwrap(), store, place(Whose::Mine));
    provider.list(NOON).await
}

/// It can't be reached, in these words.
async fn passes(endpoint: &str, words: &[&str]) {
    let trouble = list(endpoint).await.expect_err(endpoint);
    assert_eq!(trouble.class, TroubleClass::Transient, "{trouble:?}");
    assert_eq!(trouble.since, NOON);
    assert!(
        trouble.again.is_some_and(|again| again > NOON),
        "{trouble:?}"
    );
    let said = trouble.said.to_lowercase();
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_said() {
    passes(
        "https://center.invalid",
        &["center.invalid can't be reached", "dns"],
    )
    .await;
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_said() {
    for certificate in [Certificate::valid(), Certificate::expired()] {
        let options = evil::Options {
            behind: None,
            certificate: Some(certificate),
        };
        let center = Evil::start(options, evil::json("{}"));
        let endpoint = format!("https://localhost:{}", center.address().port());
        passes(&endpoint, &["can't be reached", "certificate"]).await;
        assert!(center.seen().is_empty(), "no token travelled");
    }
}

#[tokio::test]
async fn a_port_that_refuses_is_said() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    passes(&endpoint, &["can't be reached", "refused"]).await;
}

#[tokio::test]
async fn a_connection_that_is_never_answered_is_given_up_and_one_that_breaks_off_is_said() {
    let served = Center::new().serve();
    let address = served.url().trim_start_matches("http://").parse().unwrap();
    let between = Evil::before(address);
    between.always(Act::Hang);
    passes(&between.url(), &["no answer within 2s"]).await;
    between.always(Act::Close);
    passes(&between.url(), &["can't be reached"]).await;
    between.always(Act::DripBody);
    passes(&between.url(), &["no answer within 2s"]).await;
    between.always(Act::Pass);
    assert_eq!(list(&between.url()).await.expect("it is over").found, []);
}
