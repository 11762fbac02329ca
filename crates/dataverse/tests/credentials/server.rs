//! A server on a real socket, with TLS or without, that answers as a test's function says, and keeps
//! what it was sent.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

/// What is answered.
pub(crate) enum Say {
    /// A status and a JSON body.
    This(u16, String),
    /// The same, with a header line.
    With(u16, &'static str, String),
    /// Nothing, for as long as the other side waits.
    Nothing,
}

type Answer = dyn Fn(&str) -> Say + Send + Sync;

pub(crate) struct Server {
    pub(crate) address: String,
    /// Its certificate, to be trusted; empty without TLS.
    pub(crate) certificate: Vec<u8>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn plain(answer: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        Self::start(Arc::new(answer), None, Vec::new()).await
    }

    pub(crate) async fn tls(answer: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let pem = made.cert.pem().into_bytes();
        Self::start(Arc::new(answer), Some(acceptor), pem).await
    }

    async fn start(answer: Arc<Answer>, tls: Option<TlsAcceptor>, certificate: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, tls, seen) = (Arc::clone(&answer), tls.clone(), Arc::clone(&kept));
                tokio::spawn(async move {
                    match tls {
                        None => attend(stream, &*answer, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                attend(stream, &*answer, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            certificate,
            seen,
        }
    }

    /// The requests so far: first line, headers, body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The tokens that came so far.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let bearer = |request: &String| {
            let at = request.find("Bearer ")?;
            let rest = &request[at + "Bearer ".len()..];
            Some(rest.lines().next()?.trim().to_owned())
        };
        self.seen().iter().filter_map(bearer).collect()
    }
}

async fn attend<S>(mut stream: S, answer: &Answer, seen: &Mutex<Vec<String>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(request) = read(&mut stream).await else {
        return;
    };
    seen.lock().unwrap().push(request.clone());
    let (status, header, body) = match answer(&request) {
        Say::This(status, body) => (status, "X-Nothing: here", body),
        Say::With(status, header, body) => (status, header, body),
        Say::Nothing => {
            let _ = stream.read_u8().await;
            return;
        }
    };
    let head = format!(
        "HTTP/1.1 {status} So\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n{header}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Head and body of one request.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text[..end].lines().find_map(|line| {
                let line = line.to_lowercase();
                line.strip_prefix("content-length: ")?.parse().ok()
            });
            if bytes.len() >= end + 4 + length.unwrap_or(0_usize) {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
