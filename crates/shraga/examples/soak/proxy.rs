//! A connection that can be disturbed: a port of its own for each client, in front of the store.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::clock;

/// Bytes carried at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Whole.
    Whole,
    /// Nothing gets through, and nobody is told: packets are lost both ways.
    Silent,
    /// Requests get through, answers don't.
    Deaf,
    /// Every new connection is refused, every old one was ended.
    Refused,
    /// What was on its way is cut off; whoever connects next is served.
    Reset(u32),
    /// Every chunk takes this many milliseconds longer.
    Slow(u64),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    link: watch::Sender<Link>,
}

impl Proxy {
    /// Listens on a free port; carries to whatever address `store` holds then.
    pub(crate) async fn start(store: watch::Receiver<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let link = watch::Sender::new(Link::Whole);
        let state = link.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *state.borrow() == Link::Refused {
                    continue;
                }
                let store = *store.borrow();
                tokio::spawn(connect(client, store, state.clone()));
            }
        });
        Ok(Self { port, link })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

async fn connect(client: TcpStream, store: SocketAddr, link: watch::Receiver<Link>) {
    let Ok(server) = TcpStream::connect(store).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut ended = link.clone();
    let now = *ended.borrow_and_update();
    let both = async {
        let up = carry(from_client, to_server, link.clone(), Way::Up);
        let down = carry(from_server, to_client, link.clone(), Way::Down);
        tokio::join!(up, down)
    };
    tokio::select! {
        _ = both => {}
        _ = ended.wait_for(|link| *link != now && matches!(link, Link::Refused | Link::Reset(_))) => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Way {
    fn is_open(self, link: Link) -> bool {
        match link {
            Link::Whole | Link::Refused | Link::Reset(_) | Link::Slow(_) => true,
            Link::Silent => false,
            Link::Deaf => self == Self::Up,
        }
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut link: watch::Receiver<Link>,
    way: Way,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut chunk).await.unwrap_or(0);
        // What was sent into a connection that is cut arrives when it is whole again.
        let Ok(now) = link
            .wait_for(|link| way.is_open(*link))
            .await
            .map(|link| *link)
        else {
            return;
        };
        if let Link::Slow(milliseconds) = now {
            clock::pause(Duration::from_millis(milliseconds).as_secs_f64()).await;
        }
        if read == 0 {
            // Half closed: the other way may still have something to carry.
            let _ = to.shutdown().await;
            return;
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}
