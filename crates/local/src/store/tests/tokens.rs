use std::sync::Arc;

use uuid::Uuid;

use super::support::*;
use crate::ops::*;
use crate::store::*;

fn request(user: &str, role: Role) -> TokenRequest {
    TokenRequest {
        user: user.to_owned(),
        role,
        worker: None,
        pool: None,
        slots: None,
        labels: None,
    }
}

#[tokio::test]
async fn a_token_says_who_its_bearer_is_and_makes_the_user_when_new() {
    let w = world().await;
    let made = w
        .store
        .create_token(&w.admin, request("eve@x", Role::User))
        .await
        .unwrap();
    assert!(made.token.starts_with("shr_") && made.token.len() == 47);
    let who = w.store.authenticate(&made.token).unwrap().unwrap();
    assert_eq!(
        (who.user, who.role, who.worker),
        (made.record.user, Role::User, None)
    );
    assert_eq!(
        w.store.ensure_user(&w.admin, "EVE@x").await.unwrap(),
        who.user
    );
    assert_eq!(made.record.created, NOW);
}

#[tokio::test]
async fn a_workers_token_can_be_for_a_worker_and_a_user_that_are_known_already() {
    let w = world().await;
    let user = w.store.ensure_user(&w.admin, "eve@x").await.unwrap();
    let worker = Uuid::from_u128(7);
    let asked = |user: Uuid| TokenRequest {
        worker: Some(worker),
        ..request(&user.to_string(), Role::Worker)
    };
    let made = w.store.create_token(&w.admin, asked(user)).await.unwrap();
    let who = w.store.authenticate(&made.token).unwrap().unwrap();
    assert_eq!((who.user, who.worker.unwrap().id), (user, worker));
    assert_eq!(made.record.email, "eve@x");
    let stranger = asked(Uuid::from_u128(8));
    let refused = w.store.create_token(&w.admin, stranger).await;
    assert_eq!(refused.err().unwrap().status, 404);
    let person = TokenRequest {
        worker: Some(worker),
        ..request("eve@x", Role::User)
    };
    let refused = w.store.create_token(&w.admin, person).await;
    assert_eq!(refused.err().unwrap().status, 400);
}

#[tokio::test]
async fn a_workers_token_is_one_worker_within_its_claim() {
    let w = world().await;
    let asked = TokenRequest {
        pool: Some("shared".to_owned()),
        slots: Some(4),
        labels: Some("gpu".to_owned()),
        ..request("bob@x", Role::Worker)
    };
    let made = w.store.create_token(&w.admin, asked).await.unwrap();
    let claim = w
        .store
        .authenticate(&made.token)
        .unwrap()
        .unwrap()
        .worker
        .unwrap();
    assert_eq!(
        (claim.pool.as_str(), claim.slots, claim.labels.as_str()),
        ("shared", 4, "gpu")
    );
    assert_eq!(made.record.worker, Some(claim.clone()));
    let other = w
        .store
        .create_token(&w.admin, request("bob@x", Role::Worker))
        .await
        .unwrap();
    let other = other.record.worker.unwrap();
    assert_ne!(other.id, claim.id);
    assert_eq!((other.pool.as_str(), other.slots), ("dedicated", 1));
}

#[tokio::test]
async fn bad_requests_make_neither_token_nor_user() {
    let w = world().await;
    let worker = || request("new@x", Role::Worker);
    for bad in [
        request("  ", Role::User),
        TokenRequest {
            pool: Some("private".to_owned()),
            ..worker()
        },
        TokenRequest {
            slots: Some(0),
            ..worker()
        },
        TokenRequest {
            slots: Some(1),
            ..request("new@x", Role::User)
        },
    ] {
        assert_eq!(
            w.store
                .create_token(&w.admin, bad)
                .await
                .err()
                .unwrap()
                .status,
            400
        );
    }
    assert!(w.store.list_tokens(&w.admin).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_revoked_token_ends_at_once() {
    let w = world().await;
    let made = w
        .store
        .create_token(&w.admin, request("ann@x", Role::User))
        .await
        .unwrap();
    w.store
        .revoke_token(&w.admin, made.record.id)
        .await
        .unwrap();
    assert_eq!(w.store.authenticate(&made.token), Ok(None));
    let again = w
        .store
        .revoke_token(&w.admin, made.record.id)
        .await
        .unwrap_err();
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn a_disabled_user_is_refused_until_enabled() {
    let w = world().await;
    let made = w
        .store
        .create_token(&w.admin, request("ann@x", Role::User))
        .await
        .unwrap();
    for (disabled, status) in [(1, Some(403)), (0, None)] {
        set_disabled(&w, w.ann.user, disabled).await;
        let refusal = w.store.authenticate(&made.token).err();
        assert_eq!(refusal.map(|fault| fault.status), status);
        let known = w.store.made_for(&made.token).unwrap();
        assert_eq!(known.user, w.ann.user, "the token stays hers");
    }
}

async fn set_disabled(w: &World, user: Uuid, disabled: i64) {
    let users = Arc::clone(w.store.schema().by_logical("systemuser").unwrap());
    let op = WriteOp {
        cells: cells(&users, &[("isdisabled", Cell::Int(disabled))]),
        key: Key::Id(user),
        kind: WriteKind::Update(Match::Any),
        table: users,
        returning: None,
    };
    w.one(&w.admin, op).await.unwrap();
}

#[tokio::test]
async fn who_has_the_stores_files_is_never_locked_out() {
    let w = world().await;
    let made = |email, role| w.store.create_token(&w.admin, request(email, role));
    let host = made("admin@x", Role::Admin).await.unwrap();
    let other = made("ann@x", Role::Admin).await.unwrap();
    w.store.never_bar(w.admin.user);
    w.store.never_bar(w.ann.user);
    for user in [w.admin.user, w.ann.user] {
        set_disabled(&w, user, 1).await;
    }
    let who = w.store.authenticate(&host.token).unwrap().unwrap();
    assert_eq!((who.user, who.role), (w.admin.user, Role::Admin));
    assert_eq!(w.store.authenticate(&other.token).unwrap_err().status, 403);
}

#[tokio::test]
async fn wrong_tokens_are_nobodys() {
    let w = world().await;
    for wrong in [
        "",
        "shr_",
        "shr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "Bearer x",
    ] {
        assert_eq!(w.store.authenticate(wrong), Ok(None));
    }
}

#[tokio::test]
async fn tokens_outlive_a_restart_and_their_secrets_are_stored_nowhere() {
    let w = world().await;
    let made = w
        .store
        .create_token(&w.admin, request("ann@x", Role::User))
        .await
        .unwrap();
    let organization = w.store.organization_id();
    let World { store, dir, .. } = w;
    drop(store);
    let secret = made.token.strip_prefix("shr_").unwrap().as_bytes();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    let store = Store::open(dir.path(), vec![things()]).unwrap();
    let who = store.authenticate(&made.token).unwrap().unwrap();
    assert_eq!(who.user, made.record.user);
    assert_eq!(store.organization_id(), organization);
    assert_ne!(organization, Uuid::nil());
}
