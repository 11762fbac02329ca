//! One connection: reads its request, does what was armed for it, closes.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Act, Request, Script, act_for};

/// Between two bytes of an answer that drips.
const DRIP: Duration = Duration::from_secs(1);

/// What ends the head of a message.
const BLANK_LINE: &[u8] = b"\r\n\r\n";

pub(super) async fn attend(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    behind: Option<SocketAddr>,
    script: Arc<Mutex<Script>>,
) {
    // Whatever fails here, the client sees it; that is what it is tested with.
    let _seen_by_the_client = match tls {
        None => answer(stream, behind, &script).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => answer(stream, behind, &script).await,
            Err(error) => Err(error),
        },
    };
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    behind: Option<SocketAddr>,
    script: &Mutex<Script>,
) -> io::Result<()> {
    let Some(request) = read_request(&mut stream).await? else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(&request).into_owned();
    match act_for(script, Request { text }) {
        Act::Pass => {
            let answer = pass_on(behind, &request).await?;
            stream.write_all(&answer).await?;
        }
        Act::Say(text) => stream.write_all(text.as_bytes()).await?,
        Act::Close => return Ok(()),
        // Until the client goes away.
        Act::Hang => return stream.read_u8().await.map(drop),
        Act::Drip { at_once, slowly } => {
            stream.write_all(at_once.as_bytes()).await?;
            drip(&mut stream, slowly.as_bytes()).await?;
        }
        Act::DripBody => {
            let answer = pass_on(behind, &request).await?;
            let (head, body) = answer.split_at(end_of_head(&answer).unwrap_or(answer.len()));
            stream.write_all(head).await?;
            drip(&mut stream, body).await?;
        }
        Act::CutBody => {
            let answer = pass_on(behind, &request).await?;
            let body = end_of_head(&answer).unwrap_or(answer.len());
            stream
                .write_all(&answer[..body + (answer.len() - body) / 2])
                .await?;
        }
        Act::LoseReply => {
            pass_on(behind, &request).await?;
            return Ok(());
        }
    }
    stream.shutdown().await
}

async fn drip<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    let mut pulse = tokio::time::interval(DRIP);
    for byte in bytes {
        pulse.tick().await;
        stream.write_u8(*byte).await?;
        stream.flush().await?;
    }
    Ok(())
}

/// The whole answer of the server behind.
async fn pass_on(behind: Option<SocketAddr>, request: &[u8]) -> io::Result<Vec<u8>> {
    let nobody = || io::Error::other("nobody is behind this server");
    let mut server = TcpStream::connect(behind.ok_or_else(nobody)?).await?;
    server.write_all(&closing(request)).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// The request, asking for an answer that ends with its connection.
fn closing(request: &[u8]) -> Vec<u8> {
    let line_ends = request.windows(2).position(|pair| pair == b"\r\n");
    let at = line_ends.map_or(request.len(), |at| at + 2);
    [&request[..at], b"Connection: close\r\n", &request[at..]].concat()
}

/// Head and body of one request; `None` when the client left before it was complete.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(body) = end_of_head(&bytes)
            && bytes.len() >= body + length_of_body(&bytes[..body])
        {
            return Ok(Some(bytes));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

fn end_of_head(message: &[u8]) -> Option<usize> {
    let at = message
        .windows(BLANK_LINE.len())
        .position(|part| part == BLANK_LINE)?;
    Some(at + BLANK_LINE.len())
}

fn length_of_body(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let lengths = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    lengths
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or(0)
}
