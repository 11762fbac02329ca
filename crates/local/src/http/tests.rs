use super::*;

#[tokio::test]
async fn a_panic_becomes_a_500_with_a_clear_body() {
    let answer = guarded(async { panic!("a bug") }).await;
    assert_eq!(answer.status, 500);
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(
        body.starts_with("{\"error\":{\"code\":\"0x80040216\""),
        "{body}"
    );
    assert!(!body.contains("a bug"));
}

#[tokio::test]
async fn bodies_wait_for_one_another_once_memory_is_taken() {
    let bodies = Arc::new(Semaphore::new(1));
    let (parts, ()) = Request::post("/")
        .header("content-length", 3)
        .body(())
        .unwrap()
        .into_parts();
    let (first, held) = collect(&bodies, &parts, Body::from("abc")).await.unwrap();
    assert_eq!(first, "abc");
    let mut second = Box::pin(collect(&bodies, &parts, Body::from("def")));
    assert!((&mut second).now_or_never().is_none());
    drop(held);
    assert_eq!(second.await.unwrap().0, "def");
}
