//! The shipped client and the shipped store over real sockets, with tokens and TLS.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use shraga_core::row::{Table, tasks};
use shraga_dataverse::transport::{NetworkOptions, in_process, network};
use shraga_dataverse::{Client, Error, Options, Role, Token, TokenRequest};
use shraga_local::http;
use shraga_local::ops::{Principal, Role as StoreRole};
use shraga_local::serve::{ListenOptions, Listener, Tls, run};
use shraga_local::store::Store;
use shraga_wire::query::Query;
use shraga_wire::schema::shipped;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// A store that listens, and an admin inside its process.
struct World {
    url: String,
    certificate: Option<Vec<u8>>,
    admin: Client,
    _stop: DropGuard,
    _folder: TempDir,
}

async fn world(tls: impl FnOnce(&Path) -> Tls) -> World {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), shipped()).expect("a store");
    let options = ListenOptions {
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        tls: tls(folder.path()),
        insecure: false,
    };
    let listener = Listener::bind(&options).expect("a free port");
    let certificate = listener.certificate().map(std::fs::read);
    let url = listener.url();
    let stop = CancellationToken::new();
    tokio::spawn(run(listener, http::service(store.clone()), stop.clone()));
    let root = principal(Uuid::nil());
    let admin = store.ensure_user(&root, "admin@x").await.expect("an admin");
    let transport = in_process(http::in_process(store, principal(admin)));
    let base = "http://localhost/".parse().expect("an address");
    World {
        url,
        certificate: certificate.map(|read| read.expect("a certificate")),
        admin: Client::new(Options::new(base, transport)).expect("a client"),
        _stop: stop.drop_guard(),
        _folder: folder,
    }
}

fn principal(user: Uuid) -> Principal {
    Principal {
        user,
        role: StoreRole::Admin,
        worker: None,
        on_behalf_by: None,
        session: None,
    }
}

impl World {
    async fn token(&self, user: &str, role: Role) -> Token {
        let labels = match role {
            Role::Worker => vec!["gpu".to_owned(), "eu".to_owned()],
            Role::User | Role::Admin => vec![],
        };
        let request = TokenRequest {
            user: user.to_owned(),
            role,
            worker: None,
            pool: None,
            slots: None,
            labels,
        };
        self.admin.create_token(&request).await.expect("a token")
    }

    /// A client over the network that trusts `roots`.
    fn client(&self, token: &Token, roots: Vec<Vec<u8>>) -> Client {
        let transport = network(&NetworkOptions {
            extra_roots_pem: roots,
            no_proxy: true,
        });
        let base = self.url.parse().expect("an address");
        let mut options = Options::new(base, transport.expect("a transport"));
        options.token = token.token.clone().map(Into::into);
        Client::new(options).expect("a client")
    }
}

#[tokio::test]
async fn a_token_works_until_it_is_revoked() {
    let world = world(|_| Tls::Off).await;
    let token = world.token("ann@x", Role::User).await;
    assert_eq!((token.user.as_str(), token.role), ("ann@x", Role::User));
    let ann = world.client(&token, vec![]);
    let cells = [(tasks::NAME, "over the network".into())];
    ann.create(Table::Tasks, Uuid::now_v7(), &cells)
        .await
        .unwrap();
    assert_eq!(
        ann.list(Table::Tasks, &Query::default())
            .await
            .unwrap()
            .len(),
        1
    );
    let known = world.admin.tokens().await.unwrap();
    assert!(
        known
            .iter()
            .any(|known| known.id == token.id && known.token.is_none())
    );
    world.admin.revoke_token(token.id).await.unwrap();
    let refused = ann.list(Table::Tasks, &Query::default()).await.unwrap_err();
    assert!(matches!(refused, Error::Unauthenticated(_)), "{refused}");
    let again = world.admin.revoke_token(token.id).await.unwrap_err();
    assert!(matches!(again, Error::Missing(_)), "{again}");
}

#[tokio::test]
async fn only_admins_make_tokens() {
    let world = world(|_| Tls::Off).await;
    let ann = world.client(&world.token("ann@x", Role::User).await, vec![]);
    let request = TokenRequest {
        user: "ann@x".to_owned(),
        role: Role::Admin,
        worker: None,
        pool: None,
        slots: None,
        labels: vec![],
    };
    let refused = ann.create_token(&request).await.unwrap_err();
    assert!(matches!(refused, Error::Forbidden(_)), "{refused}");
    let worker = world.client(&world.token("ann@x", Role::Worker).await, vec![]);
    let info = worker.store_info().await.unwrap().unwrap().clone();
    assert_eq!(info.worker.unwrap().labels, ["gpu", "eu"]);
}

#[tokio::test]
async fn a_self_signed_store_is_talked_to_only_when_its_certificate_is_trusted() {
    let self_signed = |folder: &Path| Tls::SelfSigned {
        folder: folder.to_owned(),
    };
    let world = world(self_signed).await;
    let token = world.token("ann@x", Role::User).await;
    let roots = world.certificate.clone().into_iter().collect();
    let trusting = world.client(&token, roots);
    trusting.who_am_i().await.unwrap();
    let page = trusting
        .page(Table::Tasks, &Query::default(), Some(1))
        .await
        .unwrap();
    assert!(page.rows.is_empty());
    let wary = world.client(&token, vec![]).who_am_i().await.unwrap_err();
    assert!(matches!(wary, Error::Tls { .. }), "{wary:?}");
}
