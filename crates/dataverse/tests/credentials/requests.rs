//! Tokens in requests: shared, renewed, replaced, taken anew for each attempt.

use futures_util::future::join_all;
use shraga_dataverse::Error;
use shraga_dataverse::auth::{Choice, Kind};

use crate::server::{Say, Server};
use crate::world::{World, sign_in, store, welcome};

#[tokio::test]
async fn requests_at_once_share_one_asking() {
    let (store, service) = (store(&["one"]).await, sign_in(&["one"]).await);
    let client = World::new(Choice::All)
        .with_principal(&service)
        .client(&store);
    let all = join_all((0..20).map(|_| client.who_am_i())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(store.seen().len(), 20);
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_once_is_replaced_and_the_request_sent_again() {
    let (store, service) = (store(&["two"]).await, sign_in(&["one", "two"]).await);
    let client = World::new(Choice::All)
        .with_principal(&service)
        .client(&store);
    client.who_am_i().await.unwrap();
    assert_eq!(store.tokens(), ["one", "two"]);
    client.who_am_i().await.unwrap();
    assert_eq!(store.tokens(), ["one", "two", "two"]);
}

#[tokio::test]
async fn a_token_that_is_refused_for_ever_names_its_credential_and_hammers_nobody() {
    let (store, service) = (store(&[]).await, sign_in(&["one", "two", "three"]).await);
    let world = World::new(Choice::All).with_principal(&service);
    let client = world.client(&store);
    let refused = client.who_am_i().await.unwrap_err();
    let Error::TokenRefused { credential, .. } = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(*credential, Kind::Environment);
    assert!(refused.advice().unwrap().contains("application user"));
    for _ in 0..3 {
        client.who_am_i().await.unwrap_err();
    }
    assert_eq!(store.tokens(), ["one", "two", "two", "two", "two"]);
    assert_eq!(service.seen().len(), 2);
    world.clock.advance(31);
    client.who_am_i().await.unwrap_err();
    assert_eq!(store.tokens()[5..], ["two", "three"]);
}

#[tokio::test]
async fn a_token_that_expired_during_a_throttles_wait_is_not_sent_again() {
    let service = sign_in(&["one", "two"]).await;
    let world = World::new(Choice::All).with_principal(&service);
    let clock = world.clock.clone();
    let store = Server::plain(move |request| {
        if request.contains("Bearer two") {
            return welcome();
        }
        // As if the wait took longer than the token lasts.
        clock.advance(3600);
        Say::With(429, "Retry-After: 0", "{}".to_owned())
    })
    .await;
    world.client(&store).who_am_i().await.unwrap();
    assert_eq!(store.tokens(), ["one", "two"]);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_while_requests_go_on_with_it() {
    let (store, service) = (store(&["one", "two"]).await, sign_in(&["one", "two"]).await);
    let world = World::new(Choice::All).with_principal(&service);
    let client = world.client(&store);
    client.who_am_i().await.unwrap();
    world.clock.advance(3600 - 299);
    client.who_am_i().await.unwrap();
    assert_eq!(store.tokens(), ["one", "one"]);
    let deadline = tokio::time::Instant::now() + crate::world::AMPLE;
    while store.tokens().last().map(String::as_str) != Some("two") {
        assert!(
            tokio::time::Instant::now() < deadline,
            "it was never renewed"
        );
        client.who_am_i().await.unwrap();
    }
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn the_explanation_tells_whose_token_it_is_and_what_was_tried() {
    let (store, service) = (store(&["one"]).await, sign_in(&["one"]).await);
    let world = World::new(Choice::All).with_principal(&service);
    let credentials = world.credentials(&store);
    let explained = credentials.explain().await;
    assert_eq!(explained.chosen, Some(Kind::Environment));
    assert!(explained.expires.unwrap() > world.clock.now());
    assert!(explained.tried.is_empty());
    let nobody = World::new(Choice::Dev).credentials(&store).explain().await;
    assert_eq!(nobody.chosen, None);
    assert_eq!(nobody.tried.len(), 2);
}
