//! Credentials that ask a service: service principals, workload identity, the machine's identity.

use bytes::Bytes;
use shraga_dataverse::auth::{Choice, Kind, Why};
use shraga_dataverse::transport::{BoxError, Transport};
use tower::{ServiceExt as _, service_fn};

use crate::server::{Say, Server};
use crate::world::{SHORT, World, given, no_token, only, road, sign_in, store};

#[tokio::test]
async fn a_service_principal_signs_in_with_its_secret_and_the_store_gets_the_token() {
    let (store, service) = (store(&["one"]).await, sign_in(&["one"]).await);
    let world = World::new(Choice::All).with_principal(&service);
    world.client(&store).who_am_i().await.unwrap();
    assert_eq!(store.tokens(), ["one"]);
    let [request] = &service.seen()[..] else {
        panic!("{:?}", service.seen())
    };
    assert!(
        request.starts_with("POST /tenant/oauth2/v2.0/token "),
        "{request}"
    );
    assert!(request.contains("client_id=client"), "{request}");
    assert!(
        request.contains("client_secret=s3cret-of-the-application"),
        "{request}"
    );
    let scope = format!(
        "scope={}%2F.default",
        store.address.replace(':', "%3A").replace('/', "%2F")
    );
    assert!(request.contains(&scope), "{scope} is not in {request}");
}

#[tokio::test]
async fn a_service_principal_may_prove_itself_with_a_certificate() {
    let (store, service) = (store(&["one"]).await, sign_in(&["one"]).await);
    let mut world = World::new(Choice::All).with_application(&service);
    let path = world.folder().join("application.pem");
    std::fs::write(&path, include_str!("application.pem")).unwrap();
    world.settings.client_certificate = Some(path.clone());
    world.client(&store).who_am_i().await.unwrap();
    assert!(service.seen()[0].contains("client_assertion=eyJ"));
    std::fs::write(&path, "-----BEGIN NOTHING-----").unwrap();
    let failed = no_token(&world.client(&store)).await;
    let Why::Misconfigured(what) = only(&failed, Kind::Environment) else {
        panic!("{failed}")
    };
    assert!(
        what.contains("application.pem holds no certificate"),
        "{what}"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_told_by_its_code_and_is_asked_about_once() {
    let store = store(&["of-the-tool"]).await;
    let service = Server::tls(|_| {
        let said = "AADSTS7000215: Invalid client secret s3cret-of-the-application provided.\\r\\nTrace ID: 1";
        let body = format!(
            r#"{{"error":"invalid_client","error_codes":[7000215],"error_description":"{said}"}}"#
        );
        Say::This(401, body)
    })
    .await;
    let world = World::new(Choice::All).with_principal(&service);
    // It would work, and must not take the place of a principal that is set up.
    world.log_in("of-the-tool", 3600);
    let client = world.client(&store);
    let failed = no_token(&client).await;
    let said = "EnvironmentCredential: AADSTS7000215: Invalid client secret *** provided.";
    assert_eq!(failed.to_string(), said);
    assert!(
        failed.hint().contains("AZURE_CLIENT_SECRET is wrong"),
        "{}",
        failed.hint()
    );
    assert_eq!(no_token(&client).await, failed);
    assert_eq!(service.seen().len(), 1, "a failure is remembered");
    assert_eq!(world.starts(), 0);
    assert!(store.seen().is_empty(), "nothing is sent without a token");
    world.clock.advance(31);
    assert_eq!(no_token(&client).await, failed);
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn a_half_configured_principal_is_told_and_nobody_takes_its_place() {
    let store = store(&["of-the-tool"]).await;
    let mut world = World::new(Choice::All);
    world.settings.client_secret = Some("s3cret".to_owned().into());
    world.log_in("of-the-tool", 3600);
    let failed = no_token(&world.client(&store)).await;
    let missing = vec!["AZURE_TENANT_ID", "AZURE_CLIENT_ID"];
    assert_eq!(only(&failed, Kind::Environment), Why::Lacks(missing));
}

#[tokio::test]
async fn a_sign_in_service_that_hangs_is_left_at_the_credentials_deadline() {
    let store = store(&[]).await;
    let service = Server::tls(|_| Say::Nothing).await;
    let mut world = World::new(Choice::All).with_principal(&service);
    world.settings.deadline = SHORT;
    let failed = no_token(&world.client(&store)).await;
    assert_eq!(only(&failed, Kind::Environment), Why::TooLong(SHORT));
    assert!(failed.is_passing());
}

#[tokio::test]
async fn a_sign_in_service_that_answers_rubbish_or_is_not_there_is_told_apart() {
    let store = store(&[]).await;
    let why = async |service: &Server| {
        let mut world = World::new(Choice::All).with_principal(service);
        world.settings.deadline = SHORT * 20;
        only(&no_token(&world.client(&store)).await, Kind::Environment)
    };
    let page = Server::tls(|_| Say::This(200, "<html>eyJ.secret.page</html>".to_owned())).await;
    assert_eq!(why(&page).await, Why::NotAToken("its answer"));
    let teapot = Server::tls(|_| Say::This(418, "<html>".to_owned())).await;
    let refused = Why::Refused("answered with status 418".to_owned());
    assert_eq!(why(&teapot).await, refused);
    let mut stranger = Server::tls(|_| given("one", 3600)).await;
    stranger.certificate.clear();
    let Why::Unreachable(what) = why(&stranger).await else {
        panic!("a stranger's certificate was trusted")
    };
    assert!(
        what.contains("no secure connection to 127.0.0.1:"),
        "{what}"
    );
    let plain = Server::plain(|_| given("one", 3600)).await;
    let Why::Misconfigured(what) = why(&plain).await else {
        panic!("a secret was sent in the clear")
    };
    assert!(what.contains("HTTPS"), "{what}");
    assert!(plain.seen().is_empty());
}

#[tokio::test]
async fn a_workload_token_is_read_anew_each_time_and_missed_by_name() {
    let store = store(&["one", "two"]).await;
    let service = sign_in(&["one", "two"]).await;
    let only_this = Choice::Only(Kind::WorkloadIdentity);
    let mut world = World::new(only_this).with_application(&service);
    let path = world.folder().join("federated");
    world.settings.federated_token_file = Some(path.clone());
    let failed = no_token(&world.client(&store)).await;
    let Why::Misconfigured(what) = only(&failed, Kind::WorkloadIdentity) else {
        panic!("{failed}")
    };
    let expected = format!(
        "AZURE_FEDERATED_TOKEN_FILE {} can't be read:",
        path.display()
    );
    assert!(what.starts_with(&expected), "{what}");
    std::fs::write(&path, "first\n").unwrap();
    world.client(&store).who_am_i().await.unwrap();
    std::fs::write(&path, "second\n").unwrap();
    world.client(&store).who_am_i().await.unwrap();
    let sent = service.seen();
    assert!(sent[0].contains("client_assertion=first&"), "{}", sent[0]);
    assert!(sent[1].contains("client_assertion=second&"), "{}", sent[1]);
}

/// A way to `server`, whatever the address says: the metadata service has a fixed one.
fn detour(server: &Server) -> Transport {
    let (inner, to) = (road(&[]), server.address.clone());
    Transport::new(service_fn(move |request: http::Request<Bytes>| {
        let (inner, to) = (inner.clone(), to.clone());
        async move {
            let (mut head, body) = request.into_parts();
            assert_eq!(head.uri.host(), Some("169.254.169.254"));
            let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
            head.uri = format!("{to}{path}").parse()?;
            inner.oneshot(http::Request::from_parts(head, body)).await
        }
    }))
}

/// A way that leads nowhere: as if the address didn't exist on this machine's link.
fn dead_end() -> Transport {
    Transport::new(service_fn(|_: http::Request<Bytes>| async {
        Err::<http::Response<_>, BoxError>("no route to host".into())
    }))
}

#[tokio::test]
async fn a_machine_with_an_identity_uses_it() {
    let store = store(&["machine"]).await;
    let expires = crate::world::HandClock::default().now().as_secs() + 3600;
    let metadata = Server::plain(move |request| {
        if !request.to_lowercase().contains("metadata: true") {
            return Say::This(400, "{}".to_owned());
        }
        let body = format!(r#"{{"access_token":"machine","expires_on":"{expires}","token_type":"Bearer","resource":"x"}}"#);
        Say::This(200, body)
    })
    .await;
    let mut world = World::new(Choice::All);
    world.settings.client_id = Some("one-of-several".to_owned());
    world.roads.direct = detour(&metadata);
    world.client(&store).who_am_i().await.unwrap();
    assert_eq!(store.tokens(), ["machine"]);
    let asked = metadata.seen().pop().unwrap();
    assert!(asked.contains("client_id=one-of-several"), "{asked}");
}

#[tokio::test]
async fn a_machine_without_an_identity_lets_the_tools_try() {
    let store = store(&["of-the-tool"]).await;
    let silent = Server::plain(|_| Say::Nothing).await;
    let unassigned = Server::plain(|_| Say::This(400, "{}".to_owned())).await;
    let another_cloud = Server::plain(|_| Say::This(403, "{}".to_owned())).await;
    let servers = [&silent, &unassigned, &another_cloud];
    for road in servers.map(detour).into_iter().chain([dead_end()]) {
        let mut world = World::new(Choice::All);
        world.roads.direct = road;
        world.log_in("of-the-tool", 3600);
        let credentials = world.credentials(&store);
        let explained = credentials.explain().await;
        assert_eq!(explained.chosen, Some(Kind::AzureCli));
        let tried: Vec<String> = explained.tried.iter().map(ToString::to_string).collect();
        let expected = [
            "EnvironmentCredential: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET are not set",
            "WorkloadIdentityCredential: AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_FEDERATED_TOKEN_FILE are not set",
            "ManagedIdentityCredential: this machine has no identity of its own",
        ];
        assert_eq!(tried, expected);
    }
}

#[tokio::test]
async fn an_identity_that_was_asked_for_by_name_and_is_not_assigned_is_told() {
    let store = store(&[]).await;
    let metadata = Server::plain(|_| Say::This(400, "{}".to_owned())).await;
    let mut world = World::new(Choice::Only(Kind::ManagedIdentity));
    world.roads.direct = detour(&metadata);
    let failed = no_token(&world.client(&store)).await;
    let why = Why::Refused("no identity is assigned to this machine".to_owned());
    assert_eq!(only(&failed, Kind::ManagedIdentity), why);
    let silent = Server::plain(|_| Say::Nothing).await;
    world.roads.direct = detour(&silent);
    world.settings.deadline = SHORT;
    let failed = no_token(&world.client(&store)).await;
    assert_eq!(only(&failed, Kind::ManagedIdentity), Why::TooLong(SHORT));
}
