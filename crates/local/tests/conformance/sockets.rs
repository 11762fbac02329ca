//! Over real sockets: tokens, limits, slow clients, TLS, the end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use shraga_local::http::{limits, service};
use shraga_local::ops::Role;
use shraga_local::serve::{ListenError, ListenOptions, Listener, Tls, run};
use shraga_local::store::TokenRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::support::World;

struct Server {
    world: World,
    addr: SocketAddr,
    token: String,
    stop: CancellationToken,
    running: JoinHandle<std::io::Result<()>>,
    certificate: Option<PathBuf>,
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn plain(addr: SocketAddr) -> ListenOptions {
    ListenOptions {
        addr,
        tls: Tls::Off,
        insecure: false,
    }
}

async fn serving(tls: Tls) -> Server {
    let world = World::new().await;
    let request = TokenRequest {
        user: "admin@x".to_owned(),
        role: Role::Admin,
        worker: None,
        pool: None,
        slots: None,
        labels: None,
    };
    let token = world
        .store
        .create_token(&world.admin, request)
        .await
        .unwrap()
        .token;
    let options = ListenOptions {
        tls,
        ..plain(loopback())
    };
    let listener = Listener::bind(&options).unwrap();
    let (addr, certificate) = (
        listener.local_addr(),
        listener.certificate().map(Into::into),
    );
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(listener, service(world.store.clone()), stop.clone()));
    Server {
        world,
        addr,
        token,
        stop,
        running,
        certificate,
    }
}

impl Server {
    /// Sends raw bytes and reads until the server closes.
    async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut out = Vec::new();
        // A server that refuses a body may reset the connection after its answer.
        let _ = stream.read_to_end(&mut out).await;
        String::from_utf8_lossy(&out).into_owned()
    }

    fn head(&self, line: &str) -> String {
        format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n",
            self.token
        )
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_token_opens_the_door_and_nothing_else_does() {
    let server = serving(Tls::Off).await;
    let ok = server
        .raw(&format!("{}\r\n", server.head("GET /api/data/v9.2/WhoAmI")))
        .await;
    assert!(ok.starts_with("HTTP/1.1 200"), "{ok}");
    assert!(
        ok.contains("\"@odata.context\":\"http://x/api/data/v9.2/$metadata#"),
        "{ok}"
    );
    for authorization in [
        "",
        "Authorization: Bearer nope\r\n",
        "Authorization: Basic eDp5\r\n",
    ] {
        let request = format!(
            "GET /api/data/v9.2/WhoAmI HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n"
        );
        let refused = server.raw(&request).await;
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
        assert!(refused.contains("www-authenticate: Bearer"), "{refused}");
        assert!(refused.contains("{\"error\":{\"code\":"), "{refused}");
    }
    server.end().await;
}

#[tokio::test]
async fn two_authorization_headers_are_refused_even_if_one_is_good() {
    let server = serving(Tls::Off).await;
    for second in ["nope", &server.token] {
        let head = server.head("GET /api/data/v9.2/WhoAmI");
        let refused = server
            .raw(&format!("{head}Authorization: Bearer {second}\r\n\r\n"))
            .await;
        assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
        assert!(refused.contains("more than one Authorization"), "{refused}");
    }
    server.end().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_read() {
    let server = serving(Tls::Off).await;
    let too_long = limits::MAX_BODY_BYTES + 1;
    let head = server.head("POST /api/data/v9.2/new_things");
    let refused = server
        .raw(&format!("{head}Content-Length: {too_long}\r\n\r\n"))
        .await;
    assert!(refused.starts_with("HTTP/1.1 413"), "{refused}");
    server.end().await;
}

#[tokio::test]
async fn an_endless_chunked_body_is_cut_at_the_limit() {
    let server = serving(Tls::Off).await;
    let head = server.head("POST /api/data/v9.2/new_things");
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let start = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    stream.write_all(start.as_bytes()).await.unwrap();
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    let mut sent = 0;
    while sent <= limits::MAX_BODY_BYTES * 2 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
        sent += 0x10_0000;
    }
    assert!(
        sent <= limits::MAX_BODY_BYTES * 2,
        "the server took {sent} bytes"
    );
    server.end().await;
}

#[tokio::test]
async fn long_addresses_and_too_many_headers_are_refused() {
    let server = serving(Tls::Off).await;
    let long = "a".repeat(limits::MAX_URL_BYTES);
    let head = server.head(&format!("GET /api/data/v9.2/new_things?$filter={long}"));
    assert!(
        server
            .raw(&format!("{head}\r\n"))
            .await
            .starts_with("HTTP/1.1 414")
    );
    let many: String = (0..limits::MAX_HEADERS)
        .map(|n| format!("x-{n}: y\r\n"))
        .collect();
    let head = server.head("GET /api/data/v9.2/WhoAmI");
    assert!(
        server
            .raw(&format!("{head}{many}\r\n"))
            .await
            .starts_with("HTTP/1.1 431")
    );
    server.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_head_is_dropped() {
    let server = serving(Tls::Off).await;
    let answer = server.raw("GET /api/data").await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    server.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_body_gets_408() {
    let server = serving(Tls::Off).await;
    let head = server.head("POST /api/data/v9.2/new_things");
    let answer = server
        .raw(&format!("{head}Content-Length: 10\r\n\r\n{{"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn slow_clients_leave_room_for_others() {
    let server = serving(Tls::Off).await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        stream.write_all(b"GET /").await.unwrap();
        slow.push(stream);
    }
    let head = server.head("GET /api/data/v9.2/WhoAmI");
    assert!(
        server
            .raw(&format!("{head}\r\n"))
            .await
            .starts_with("HTTP/1.1 200")
    );
    drop(slow);
    server.end().await;
}

#[tokio::test]
async fn stopping_ends_long_polls_and_frees_the_port() {
    let server = serving(Tls::Off).await;
    let next = server.world.store.version();
    let head = server.head(&format!("GET /api/shraga/changes?since={next}"));
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream
        .write_all(format!("{head}\r\n").as_bytes())
        .await
        .unwrap();
    // The request is under way once another one on the same server was answered.
    server
        .raw(&format!("{}\r\n", server.head("GET /api/data/v9.2/WhoAmI")))
        .await;
    let addr = server.addr;
    let ended = tokio::time::timeout(Duration::from_secs(20), server.end()).await;
    assert!(ended.is_ok(), "the server did not stop");
    Listener::bind(&plain(addr)).unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_said_so() {
    let first = Listener::bind(&plain(loopback())).unwrap();
    let second = Listener::bind(&plain(first.local_addr())).unwrap_err();
    assert!(matches!(second, ListenError::InUse { addr } if addr == first.local_addr()));
    assert!(second.to_string().contains("in use"));
}

#[tokio::test]
async fn others_are_not_served_unencrypted_unless_that_is_wanted() {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Listener::bind(&plain(everywhere)).unwrap_err();
    assert!(matches!(refused, ListenError::Unencrypted { .. }));
    let wanted = ListenOptions {
        insecure: true,
        ..plain(everywhere)
    };
    let listener = Listener::bind(&wanted).unwrap();
    let port = listener.local_addr().port();
    assert_eq!(listener.url(), format!("http://127.0.0.1:{port}"));
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_by_its_file_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let tls = || Tls::SelfSigned {
        folder: dir.path().to_owned(),
    };
    let server = serving(tls()).await;
    let file = server.certificate.clone().unwrap();
    assert_eq!(file, dir.path().join("cert.pem"));
    let pem = std::fs::read(&file).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    for name in ["localhost", "127.0.0.1"] {
        let stream = TcpStream::connect(server.addr).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        let mut stream = connector.connect(name, stream).await.unwrap();
        let head = server.head("GET /api/data/v9.2/WhoAmI");
        stream
            .write_all(format!("{head}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("https://x/api/data/v9.2/"), "{answer}");
    }
    server.end().await;
    let again = Listener::bind(&ListenOptions {
        tls: tls(),
        ..plain(loopback())
    })
    .unwrap();
    assert!(again.url().starts_with("https://127.0.0.1:"));
    assert_eq!(std::fs::read(&file).unwrap(), pem);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    std::fs::write(&cert, "nonsense").unwrap();
    let options = ListenOptions {
        tls: Tls::Pem {
            cert: cert.clone(),
            key,
        },
        ..plain(loopback())
    };
    let refused = Listener::bind(&options).unwrap_err();
    assert!(
        matches!(&refused, ListenError::Certificate { file, .. } if *file == cert),
        "{refused}"
    );
}
