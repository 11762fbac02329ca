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

fn post_of(bytes: usize) -> Parts {
    let request = Request::post("/").header("content-length", bytes);
    request.body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn large_bodies_wait_for_one_another_once_memory_is_taken() {
    let bodies = Arc::new(Semaphore::new(100));
    let large = "a".repeat(70_000);
    let (parts, small) = (post_of(large.len()), post_of(3));
    let (first, held) = collect(&bodies, &parts, Body::from(large.clone()))
        .await
        .unwrap();
    assert_eq!(first, large);
    let mut second = Box::pin(collect(&bodies, &parts, Body::from(large.clone())));
    assert!((&mut second).now_or_never().is_none());
    let beat = collect(&bodies, &small, Body::from("abc")).now_or_never();
    assert_eq!(beat.unwrap().unwrap().0, "abc", "small ones get through");
    drop(held);
    assert_eq!(second.await.unwrap().0, large);
}
