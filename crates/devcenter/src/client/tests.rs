//! The client against answers as they were recorded, and against answers that nobody should trust.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::service_fn;

use super::*;
use crate::error::{Class, Stage};
use crate::model::operations::{OperationState, Tracking};
use crate::names::{BoxId, BoxName};
use crate::tokens::NoToken;
use crate::transport::{Body, BoxError};

const HOST: &str = "https://center.example";
const SECRET: &str = "secret-token";

/// What the other side says next.
enum Say {
    Answer(u16, Vec<(&'static str, String)>, String),
    Hang,
    Fail,
}

fn json(status: u16, body: &str) -> Say {
    Say::Answer(status, Vec::new(), body.to_owned())
}

/// The other side: says what its script says, and keeps what it was asked.
#[derive(Default)]
struct Script {
    says: VecDeque<Say>,
    asked: Vec<Request<Bytes>>,
}

#[derive(Clone, Default)]
struct Center(Arc<Mutex<Script>>);

impl Center {
    fn saying(says: impl IntoIterator<Item = Say>) -> Self {
        let center = Self::default();
        center.script().says.extend(says);
        center
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self) -> Client {
        self.client_with(Keys::default())
    }

    fn client_with(&self, keys: Keys) -> Client {
        let center = self.clone();
        let transport = Transport::new(service_fn(move |request| center.clone().answer(request)));
        Client::new(Options {
            endpoint: Url::parse(HOST).unwrap(),
            transport,
            tokens: Arc::new(keys),
            request_timeout: Duration::from_secs(30),
        })
        .unwrap()
    }

    async fn answer(self, request: Request<Bytes>) -> Result<Response<Body>, BoxError> {
        let say = {
            let mut script = self.script();
            script.asked.push(request);
            script
                .says
                .pop_front()
                .expect("one more request than was scripted")
        };
        let (status, headers, body) = match say {
            Say::Answer(status, headers, body) => (status, headers, body),
            Say::Hang => pending().await,
            Say::Fail => return Err("connection reset for ann@example.org".into()),
        };
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {});
        Ok(response.body(body.boxed_unsync()).unwrap())
    }

    /// Method and address of every request so far.
    fn asked(&self) -> Vec<String> {
        let line = |request: &Request<Bytes>| {
            let uri = request.uri().to_string();
            let from = uri.strip_prefix(HOST).unwrap_or(&uri);
            format!("{} {from}", request.method())
        };
        self.script().asked.iter().map(line).collect()
    }

    fn tokens(&self) -> Vec<String> {
        let script = self.script();
        let token = |request: &Request<Bytes>| {
            let value = request.headers().get("authorization")?;
            assert!(value.is_sensitive());
            Some(value.to_str().unwrap().to_owned())
        };
        script.asked.iter().filter_map(token).collect()
    }
}

/// Tokens, one after the other.
#[derive(Debug, Default)]
struct Keys {
    refused: Mutex<usize>,
    none: Option<NoToken>,
}

impl Tokens for Keys {
    fn bearer(&self) -> BoxFuture<'_, Result<HeaderValue, NoToken>> {
        let number = *self.refused.lock().unwrap();
        let value = HeaderValue::from_str(&format!("Bearer {SECRET}-{number}")).unwrap();
        ready(self.none.clone().map_or(Ok(value), Err)).boxed()
    }

    fn refuse(&self, _bearer: &HeaderValue) -> bool {
        let mut refused = self.refused.lock().unwrap();
        *refused += 1;
        *refused < 2
    }
}

fn project() -> ProjectName {
    ProjectName::parse("agents").unwrap()
}

fn box_1() -> BoxId {
    BoxId {
        project: project(),
        owner: Owner::Me,
        name: BoxName::parse("box-1").unwrap(),
    }
}

const CREATING: &str = r#"{"name":"box-1","provisioningState":"Creating","powerState":null}"#;
const D: &str = "/projects/agents/users/me/devboxes/box-1";
const V: &str = "api-version=2025-02-01";

#[tokio::test]
async fn a_box_is_made_as_recorded_and_its_making_asked_after_where_the_service_says() {
    let status = format!("{HOST}/projects/agents/operationstatuses/3b94?{V}");
    let headers = vec![
        ("location", format!("{status}&monitor=true")),
        ("operation-location", status.clone()),
    ];
    let center = Center::saying([
        Say::Answer(201, headers, CREATING.to_owned()),
        json(200, r#"{"id":"x","name":"3b94","status":"running"}"#),
        json(
            200,
            r#"{"status":"Failed","error":{"code":"Quota","message":"no cores"}}"#,
        ),
    ]);
    let client = center.client();
    let pool = PoolName::parse("pool-1").unwrap();
    let created = client.create(&box_1(), &pool).await.unwrap();
    assert_eq!(created.dev_box.power, None);
    let Tracking::At(at) = created.tracking else {
        panic!("{:?}", created.tracking)
    };
    assert_eq!(at.as_str(), status);
    let running = client.operation(&at).await.unwrap();
    assert_eq!(
        (running.state.clone(), running.is_over()),
        (OperationState::Running, false)
    );
    let failed = client.operation(&at).await.unwrap();
    assert_eq!(
        (failed.is_over(), failed.error.as_deref()),
        (true, Some("Quota: no cores"))
    );

    let path = format!("/projects/agents/operationstatuses/3b94?{V}");
    assert_eq!(
        center.asked(),
        [
            format!("PUT {D}?{V}"),
            format!("GET {path}"),
            format!("GET {path}")
        ]
    );
    let script = center.script();
    assert_eq!(
        script.asked[0].body(),
        r#"{"poolName":"pool-1"}"#.as_bytes()
    );
    let agent = script.asked[0].headers()["user-agent"].to_str().unwrap();
    assert!(agent.starts_with("shraga/"), "{agent}");
}

#[tokio::test]
async fn verbs_are_posted_to_the_box_and_what_is_gone_is_deleted_already() {
    let accepted = || json(202, r#"{"id":"x","name":"x","status":"NotStarted"}"#);
    let says = [
        accepted(),
        accepted(),
        accepted(),
        json(204, ""),
        json(404, ""),
        json(404, ""),
    ];
    let center = Center::saying(says);
    let client = center.client();
    assert_eq!(
        client.stop(&box_1(), true).await.unwrap(),
        Tracking::Nowhere
    );
    client.repair(&box_1()).await.unwrap();
    assert!(client.delete(&box_1()).await.unwrap().is_some());
    assert_eq!(client.delete(&box_1()).await.unwrap(), None);
    assert_eq!(client.delete(&box_1()).await.unwrap(), None);
    assert_eq!(client.dev_box(&box_1()).await.unwrap(), None);
    let asked = center.asked();
    assert_eq!(asked[0], format!("POST {D}:stop?{V}&hibernate=true"));
    assert_eq!(asked[1], format!("POST {D}:repair?{V}"));
    assert_eq!(asked[2], format!("DELETE {D}?{V}"));
}

#[tokio::test]
async fn a_list_is_followed_to_its_end_at_its_own_host_and_nowhere_else() {
    let page = |name: &str, next: &str| {
        json(
            200,
            &format!(r#"{{"value":[{{"name":"{name}"}}],"nextLink":{next}}}"#),
        )
    };
    let good = format!(r#""{HOST}/devboxes?{V}&$skiptoken=a%2Fb""#);
    let center = Center::saying([page("box-1", &good), page("box-2", "null")]);
    let boxes = center.client().boxes().await.unwrap();
    assert_eq!(
        boxes.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
        ["box-1", "box-2"]
    );
    assert_eq!(
        center.asked()[1],
        format!("GET /devboxes?{V}&$skiptoken=a%2Fb")
    );

    let center = Center::saying([page("box-1", r#""https://evil.example/devboxes""#)]);
    let error = center.client().boxes().await.unwrap_err();
    assert!(
        matches!(&error, Error::Foreign { host } if host == "evil.example"),
        "{error}"
    );
    assert_eq!(center.asked().len(), 1);

    let again = format!(r#""{HOST}/devboxes?{V}""#);
    let center = Center::saying([page("box-1", &again)]);
    let error = center.client().boxes().await.unwrap_err();
    assert_eq!(error.class(), Class::Malformed);
}

#[tokio::test]
async fn a_token_goes_to_no_other_host_however_the_service_asks_for_it() {
    let evil = vec![("operation-location", "https://evil.example/x".to_owned())];
    let away = vec![("location", "https://evil.example/x".to_owned())];
    let center = Center::saying([
        Say::Answer(201, evil, CREATING.to_owned()),
        Say::Answer(307, away, String::new()),
    ]);
    let client = center.client();
    let pool = PoolName::parse("pool-1").unwrap();
    let created = client.create(&box_1(), &pool).await.unwrap();
    assert_eq!(
        created.tracking,
        Tracking::Foreign("evil.example".to_owned())
    );
    let redirected = client.project(&project()).await.unwrap_err();
    assert_eq!(redirected.class(), Class::Malformed);
    let url = Url::parse("https://evil.example/projects/agents/operationstatuses/1").unwrap();
    let refused = client.operation(&url).await.unwrap_err();
    assert!(matches!(refused, Error::Foreign { .. }));
    assert_eq!(center.asked().len(), 2, "the last one was not sent");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let no = || {
        json(
            401,
            r#"{"error":{"code":"Unauthorized","message":"expired"}}"#,
        )
    };
    let center = Center::saying([
        no(),
        json(200, r#"{"name":"agents","maxDevBoxesPerUser":3}"#),
    ]);
    let found = center.client().project(&project()).await.unwrap();
    assert_eq!(found.boxes_per_person, Some(3));
    assert_eq!(
        center.tokens(),
        [format!("Bearer {SECRET}-0"), format!("Bearer {SECRET}-1")]
    );

    let center = Center::saying([no(), no()]);
    let error = center.client().project(&project()).await.unwrap_err();
    assert_eq!(error.class(), Class::SignIn);
    assert_eq!(center.asked().len(), 2);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    for passes in [true, false] {
        let center = Center::default();
        let said = "AzureCliCredential: nobody is logged in".to_owned();
        let none = Some(NoToken {
            said,
            hint: None,
            passes,
        });
        let keys = Keys {
            none,
            ..Keys::default()
        };
        let error = center.client_with(keys).projects().await.unwrap_err();
        let expected = if passes {
            Class::Transient
        } else {
            Class::SignIn
        };
        assert_eq!(error.class(), expected);
        assert!(center.asked().is_empty());
    }
}

#[tokio::test]
async fn what_a_refusal_means_is_told_by_its_status_and_its_words_are_kept() {
    for (status, class) in [
        (400, Class::Invalid),
        (403, Class::Denied),
        (404, Class::Missing),
        (405, Class::Invalid),
        (408, Class::Transient),
        (409, Class::Conflict),
        (422, Class::Invalid),
        (500, Class::Transient),
        (501, Class::Invalid),
        (503, Class::Transient),
    ] {
        let body = r#"{"error":{"code":"TheCode","message":"the words\u001b[31m"}}"#;
        let center = Center::saying([json(status, body)]);
        let pool = PoolName::parse("pool-1").unwrap();
        let error = center.client().pool(&project(), &pool).await.unwrap_err();
        assert_eq!(error.class(), class, "{status}");
        let said = error.to_string();
        assert!(said.contains("TheCode: the words [31m"), "{said}");
        assert_eq!(
            status == 404,
            said.contains("the pool pool-1 of the project agents")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn after_429_nothing_is_sent_for_as_long_as_the_service_says() {
    let after = vec![("retry-after", "90".to_owned())];
    let center = Center::saying([
        Say::Answer(429, after, String::new()),
        json(200, r#"{"value":[]}"#),
    ]);
    let client = center.client();
    let error = client.projects().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
    let held = client.projects().await.unwrap_err();
    assert_eq!(held.class(), Class::Throttled);
    assert_eq!(center.asked().len(), 1);
    tokio::time::advance(Duration::from_secs(90)).await;
    client.projects().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_says_nothing_is_given_up_at_the_deadline() {
    let center = Center::saying([Say::Hang]);
    let began = tokio::time::Instant::now();
    let error = center.client().projects().await.unwrap_err();
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
        (error.class(), began.elapsed()),
        (Class::Transient, Duration::from_secs(30))
    );
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart_from_a_service_that_is_away() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"value":7}"#,
        r#"{"value":[{"poolName":"x"}]}"#,
    ] {
        let error = Center::saying([json(200, body)])
            .client()
            .boxes()
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Malformed, "{body}: {error}");
    }
    let huge = format!(r#"{{"value":[],"x":"{}"}}"#, "x".repeat(5 << 20));
    let error = Center::saying([json(200, &huge)])
        .client()
        .boxes()
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Malformed);
    let away = Center::saying([Say::Fail])
        .client()
        .boxes()
        .await
        .unwrap_err();
    assert_eq!(
        away.to_string(),
        "center.example can't be reached: connection reset for ***"
    );
}

#[tokio::test]
async fn neither_errors_nor_debug_show_a_token() {
    let body = format!(r#"{{"error":{{"code":"x","message":"bad Bearer eyJ{SECRET}"}}}}"#);
    let center = Center::saying([json(403, &body)]);
    let client = center.client();
    let error = client.projects().await.unwrap_err();
    for shown in [format!("{error} {error:?}"), format!("{client:?}")] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}
