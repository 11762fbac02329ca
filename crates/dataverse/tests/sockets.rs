//! The client against servers that hang, drip, break off, throttle, storm and lie.

mod fake;

use std::time::Duration;

use fake::{Act, Fake, json, options, reply};
use shraga_core::ids::{Etag, UserId};
use shraga_core::row::{ChangeSet, Condition, Table, Write, tasks};
use shraga_core::time::Timestamp;
use shraga_dataverse::{BreakerState, Client, Error, OnRefusal, Outcome, Read, RefusalKind, Stage};
use shraga_wire::batch::ResponseWriter;
use shraga_wire::query::Query;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(0x0193_f0a1_b2c3_7d4e_8f90_1122_3344_5566);
const FAULT: &str = r#"{"error":{"code":"0x80040216","message":"went wrong"}}"#;

fn who_am_i() -> Act {
    json(&format!(
        r#"{{"UserId":"{ID}","BusinessUnitId":"{ID}","OrganizationId":"{ID}"}}"#
    ))
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_left_at_the_deadline() {
    let fake = Fake::start([Act::Hang]);
    let error = fake.impatient().who_am_i().await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Timeout {
                stage: Stage::Answer,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "no answer within 1s (waiting for an answer)"
    );
    assert_eq!(
        fake.seen().len(),
        1,
        "an expired deadline is not tried again"
    );
}

#[tokio::test]
async fn a_server_that_drips_cannot_beat_the_deadline() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n".to_owned();
    let body = " ".repeat(10_000);
    let drips_head = Act::Drip {
        at_once: String::new(),
        slowly: head.clone() + &body,
    };
    let drips_body = Act::Drip {
        at_once: head,
        slowly: body,
    };
    for (act, at) in [(drips_head, Stage::Answer), (drips_body, Stage::Body)] {
        let error = Fake::start([act]).impatient().who_am_i().await.unwrap_err();
        assert!(
            matches!(error, Error::Timeout { stage, .. } if stage == at),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_asked_for_again() {
    let cut = Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"UserId".to_owned());
    let fake = Fake::start([cut.clone(), Act::Close, who_am_i()]);
    assert_eq!(fake.client().who_am_i().await.unwrap(), UserId::new(ID));
    let fake = Fake::start([cut]);
    let error = fake.client().who_am_i().await.unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error}");
    assert_eq!(fake.seen().len(), 4, "tries are bounded");
}

#[tokio::test]
async fn throttling_is_waited_out_with_and_without_a_time() {
    let with = reply("429 Too Many Requests", &["Retry-After: 0"], FAULT);
    let without = reply("429 Too Many Requests", &[], FAULT);
    let fake = Fake::start([with, without, who_am_i()]);
    assert_eq!(fake.client().who_am_i().await.unwrap(), UserId::new(ID));
    let long = reply("429 Too Many Requests", &["Retry-After: 4000"], FAULT);
    let fake = Fake::start([long]);
    let error = fake.client().who_am_i().await.unwrap_err();
    let Error::Throttled { retry_after, fault } = error else {
        panic!("{error}");
    };
    assert_eq!(retry_after, Some(Duration::from_secs(4000)));
    assert_eq!(fault.message, "went wrong");
    assert_eq!(
        fake.seen().len(),
        1,
        "a wait that is too long is the caller's to decide on"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_tried_again() {
    let fake = Fake::start([reply("401 Unauthorized", &[], "")]);
    let error = fake.client().who_am_i().await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated(_)), "{error}");
    assert_eq!(fake.seen().len(), 1);
    assert!(
        fake.seen()[0]
            .to_lowercase()
            .contains("authorization: bearer secret")
    );
}

#[tokio::test]
async fn a_service_that_fails_again_and_again_is_left_alone_and_callers_are_told_at_once() {
    let storm = reply("503 Service Unavailable", &[], FAULT);
    let fake = Fake::start([storm]);
    let mut options = options(&fake.address);
    options.breaker = true;
    let client = Client::new(options).unwrap();
    let error = client.who_am_i().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    for _ in 0..20 {
        let error = client.who_am_i().await.unwrap_err();
        assert!(matches!(error, Error::Resting { .. }), "{error}");
        assert!(
            error.to_string().contains("has failed 5 times in a row"),
            "{error}"
        );
        assert!(error.is_transient() && !error.is_unknown());
    }
    assert_eq!(
        fake.seen().len(),
        5,
        "nothing is sent but the probes to come"
    );
    let traffic = client.traffic();
    assert_eq!((traffic.sent, traffic.failed), (5, 5));
    assert!(matches!(traffic.breaker, BreakerState::Open(_)));
}

#[tokio::test]
async fn refusals_and_throttling_are_answers_and_never_stop_requests() {
    let mut acts = Vec::new();
    for status in [
        "400 Bad Request",
        "403 Forbidden",
        "404 Not Found",
        "412 Stale",
    ] {
        acts.extend([reply(status, &[], FAULT), reply(status, &[], FAULT)]);
    }
    let throttled = reply("429 Too Many Requests", &["Retry-After: 4000"], FAULT);
    acts.extend([throttled.clone(), throttled, who_am_i()]);
    let (fake, count) = (Fake::start(acts.clone()), acts.len());
    let mut options = options(&fake.address);
    options.breaker = true;
    let client = Client::new(options).unwrap();
    for _ in 1..count {
        let error = client.who_am_i().await.unwrap_err();
        assert!(error.fault().is_some(), "{error}");
    }
    assert_eq!(client.who_am_i().await.unwrap(), UserId::new(ID));
    assert_eq!(fake.seen().len(), count);
}

#[tokio::test]
async fn a_storm_of_500_is_survived_or_told() {
    let storm = reply("500 Internal Server Error", &[], FAULT);
    let fake = Fake::start([storm.clone(), storm.clone(), who_am_i()]);
    assert!(fake.client().who_am_i().await.is_ok());
    let fake = Fake::start([storm]);
    let error = fake.client().who_am_i().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the service failed with status 500: went wrong"
    );
    assert_eq!(fake.seen().len(), 4);
}

#[tokio::test]
async fn html_instead_of_json_is_a_bad_answer_that_shows_how_it_begins() {
    let page = reply(
        "200 OK",
        &["Content-Type: text/html"],
        "<html>Sign in</html>",
    );
    let error = Fake::start([page]).client().who_am_i().await.unwrap_err();
    assert!(matches!(error, Error::BadAnswer { .. }));
    assert!(
        error.to_string().contains("<html>Sign in</html>"),
        "{error}"
    );
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let moved = reply("302 Found", &["Location: http://127.0.0.1:9/login"], "");
    let fake = Fake::start([moved]);
    let error = fake.client().who_am_i().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("302 (to http://127.0.0.1:9/login)"),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_listening_and_no_tls_are_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(options(&format!("http://{address}"))).unwrap();
    let error = client.who_am_i().await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", plain.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let client = Client::new(options(&address)).unwrap();
    let error = client.who_am_i().await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

fn page(id: u32, next: Option<&str>) -> Act {
    let next = next.map_or_else(String::new, |link| {
        format!(r#","@odata.nextLink":"{link}""#)
    });
    json(&format!(
        r#"{{"value":[{{"@odata.etag":"W/\"1\"","n":{id}}}]{next}}}"#
    ))
}

#[tokio::test]
async fn pages_are_followed_to_the_end() {
    let next = |n: u32| format!("/api/data/v9.2/cr_shraga_tasks?$skiptoken=%3cn{n}%3e");
    let acts = [
        page(1, Some(&next(2))),
        page(2, Some(&next(3))),
        page(3, None),
    ];
    let fake = Fake::start(acts);
    let rows = fake
        .client()
        .list(Table::Tasks, &Query::default())
        .await
        .unwrap();
    assert_eq!(rows.len(), 3);
    assert!(fake.seen()[2].starts_with("GET /api/data/v9.2/cr_shraga_tasks?$skiptoken=%3cn3%3e "));
}

#[tokio::test]
async fn a_next_page_that_repeats_is_an_error_and_no_loop() {
    let fake = Fake::start([page(1, Some("/api/data/v9.2/x?$skiptoken=a"))]);
    let error = fake
        .client()
        .list(Table::Tasks, &Query::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::RepeatedNextLink(_)), "{error}");
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_next_page_elsewhere_never_gets_the_token() {
    let elsewhere = Fake::start([page(2, None)]);
    let link = format!("{}/api/data/v9.2/x", elsewhere.address);
    let fake = Fake::start([page(1, Some(&link))]);
    let error = fake
        .client()
        .list(Table::Tasks, &Query::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::ForeignNextLink(_)), "{error}");
    assert!(elsewhere.seen().is_empty());
}

fn update(n: u128) -> ChangeSet {
    let cells = vec![(tasks::NAME, "a".into()), (tasks::STATUS, 5_i64.into())];
    ChangeSet {
        task: None,
        why: "a test".to_owned(),
        writes: vec![Write::update(
            Table::Tasks,
            Uuid::from_u128(n),
            &Etag::new("W/\"7\""),
            cells,
        )],
    }
}

fn batch(write: impl FnOnce(&mut ResponseWriter)) -> Act {
    let mut writer = ResponseWriter::new("1");
    write(&mut writer);
    let kind = format!("Content-Type: {}", writer.content_type());
    reply(
        "200 OK",
        &[&kind],
        &String::from_utf8_lossy(&writer.finish()),
    )
}

#[tokio::test]
async fn each_change_set_has_its_own_outcome_and_a_missing_part_means_unknown() {
    let answer = batch(|writer| {
        writer.single(204, None, &[("ETag", "W/\"8\"")], b"");
        writer.single(412, None, &[], FAULT.as_bytes());
    });
    let fake = Fake::start([answer]);
    let sets = [update(1), update(2), update(3)];
    let applied = fake
        .client()
        .apply(&sets, OnRefusal::Continue)
        .await
        .unwrap();
    assert_eq!(applied.now, Some(Timestamp::from_secs(784_887_151)));
    assert_eq!(
        applied.outcomes[0],
        Outcome::Done(vec![Some(Etag::new("W/\"8\""))])
    );
    assert!(matches!(&applied.outcomes[1], Outcome::Refused(r) if r.kind == RefusalKind::Stale));
    assert_eq!(applied.outcomes[2], Outcome::Unknown);
    let request = &fake.seen()[0];
    assert!(
        request
            .to_lowercase()
            .contains("prefer: odata.continue-on-error")
    );
    assert!(request.contains("If-Match: W/\"7\"\r\n\r\n{\"cr_name\":\"a\",\"cr_status\":5}"));
}

#[tokio::test]
async fn after_a_refusal_the_rest_is_not_tried_when_told_to_stop() {
    let answer = batch(|writer| writer.single(412, None, &[], FAULT.as_bytes()));
    let Act::Say(text) = answer else {
        unreachable!();
    };
    let stopped = Act::Say(text.replace("HTTP/1.1 200 OK\r\nDate", "HTTP/1.1 412 No\r\nDate"));
    let fake = Fake::start([stopped]);
    let applied = fake
        .client()
        .apply(&[update(1), update(2)], OnRefusal::Stop)
        .await
        .unwrap();
    assert!(matches!(&applied.outcomes[0], Outcome::Refused(r) if r.kind == RefusalKind::Stale));
    assert_eq!(applied.outcomes[1], Outcome::NotTried);
    assert!(!fake.seen()[0].to_lowercase().contains("prefer"));
}

#[tokio::test]
async fn a_lost_reply_leaves_every_write_unknown_and_none_repeated() {
    for act in [
        Act::Close,
        Act::Hang,
        reply("503 Service Unavailable", &[], FAULT),
    ] {
        let hangs = matches!(act, Act::Hang);
        let fake = Fake::start([act]);
        let client = if hangs {
            fake.impatient()
        } else {
            fake.client()
        };
        let applied = client.apply(&[update(1)], OnRefusal::Stop).await.unwrap();
        assert_eq!(applied.outcomes, [Outcome::Unknown]);
        assert!(applied.lost.is_some());
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_throttled_batch_was_not_done_and_is_sent_again() {
    let throttled = reply("429 Too Many Requests", &["Retry-After: 0"], FAULT);
    let done = batch(|writer| writer.single(204, None, &[], b""));
    let fake = Fake::start([throttled, done]);
    let applied = fake
        .client()
        .apply(&[update(1)], OnRefusal::Stop)
        .await
        .unwrap();
    assert_eq!(applied.outcomes, [Outcome::Done(vec![None])]);
}

#[tokio::test]
async fn a_create_whose_reply_was_lost_is_looked_for_before_it_is_repeated() {
    let there = json(r#"{"@odata.etag":"W/\"9\"","createdon":"2026-01-01T00:00:00Z"}"#);
    let fake = Fake::start([Act::Close, there]);
    let cells = [(tasks::NAME, "a".into())];
    let written = fake
        .client()
        .create(Table::Tasks, ID, &cells)
        .await
        .unwrap();
    assert_eq!(written.etag, Some(Etag::new("W/\"9\"")));
    let missing = reply(
        "404 Not Found",
        &[],
        r#"{"error":{"code":"0x80040217","message":""}}"#,
    );
    let made = reply("204 No Content", &["ETag: W/\"1\""], "");
    let fake = Fake::start([Act::Close, missing, made]);
    let written = fake
        .client()
        .create(Table::Tasks, ID, &cells)
        .await
        .unwrap();
    assert_eq!(written.etag, Some(Etag::new("W/\"1\"")));
    assert!(fake.seen()[2].to_lowercase().contains("if-none-match: *"));
}

#[tokio::test]
async fn a_conditional_change_that_is_refused_says_conflict_and_keeps_the_services_words() {
    let fake = Fake::start([reply("412 Precondition Failed", &[], FAULT)]);
    let version = Condition::Version(Etag::new("W/\"7\""));
    let cells = [(tasks::NAME, "a".into())];
    let error = fake
        .client()
        .patch(Table::Tasks, ID, &version, &cells)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "conflict: went wrong");
}

#[tokio::test]
async fn reads_of_a_batch_fail_one_by_one() {
    let answer = batch(|writer| {
        writer.single(200, None, &[], br#"{"value":[{"a":1},{"a":2}]}"#);
        writer.single(404, None, &[], FAULT.as_bytes());
        writer.single(400, None, &[], FAULT.as_bytes());
    });
    let list = Read::List {
        table: Table::Tasks,
        query: Query::default(),
    };
    let get = Read::Get {
        table: Table::Workers,
        id: ID,
        select: vec!["cr_name".to_owned()],
    };
    let fake = Fake::start([answer]);
    let answers = fake
        .client()
        .read_batch(&[list.clone(), get, list])
        .await
        .unwrap()
        .answers;
    assert_eq!(answers[0].as_ref().unwrap().rows.len(), 2);
    assert!(answers[1].as_ref().unwrap().rows.is_empty());
    assert!(matches!(answers[2], Err(Error::Refused(_))));
    let seen = &fake.seen()[0];
    assert!(
        seen.contains(&format!("cr_shraga_workers({ID})?$select=cr_name HTTP/1.1")),
        "{seen}"
    );
}

#[tokio::test]
async fn at_dataverse_there_is_no_embedded_store() {
    let fake = Fake::start([reply("404 Not Found", &[], "")]);
    let client = fake.client();
    assert_eq!(client.store_info().await.unwrap(), None);
    assert_eq!(client.store_info().await.unwrap(), None);
    assert_eq!(fake.seen().len(), 1, "asked once");
}
