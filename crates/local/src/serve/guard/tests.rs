use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

#[tokio::test]
async fn connections_beyond_the_number_are_closed_until_one_ends() {
    let guard = GuardAcceptor::new(1);
    let (_client, server) = pair().await;
    let (first, ()) = guard.accept(server, ()).await.unwrap();
    let (_client, server) = pair().await;
    assert!(guard.accept(server, ()).await.is_err());
    drop(first);
    let (_client, server) = pair().await;
    assert!(guard.accept(server, ()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_bytes_is_given_up() {
    let (_client, server) = pair().await;
    let (mut guarded, ()) = GuardAcceptor::new(1).accept(server, ()).await.unwrap();
    let plenty = vec![0; 64 * 1024 * 1024];
    let stalled = guarded.write_all(&plenty).await.unwrap_err();
    assert_eq!(stalled.kind(), io::ErrorKind::TimedOut);
}
