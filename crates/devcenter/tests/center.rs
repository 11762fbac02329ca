//! The client against a Dev Center that is a state machine: every request by its published description, every state a
//! box goes through, every fault.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use http::HeaderValue;
use shraga_core::time::Timestamp;
use shraga_devcenter::{
    ActionName, BoxId, BoxName, Class, Client, Error, GroupName, GroupState, Health, NoToken,
    OperationState, Options, Owner, PoolName, PowerState, ProjectName, ProvisioningState, RunAs,
    Task, Tokens, Tracking,
};
use shraga_testkit::center::{Center, Fault, POOL, PROJECT};

#[derive(Debug)]
struct Token;

impl Tokens for Token {
    fn bearer(&self) -> BoxFuture<'_, Result<HeaderValue, NoToken>> {
        ready(Ok(HeaderValue::from_static("Bearer a-token"))).boxed()
    }

    fn refuse(&self, _bearer: &HeaderValue) -> bool {
        false
    }
}

fn client(center: &Center) -> Client {
    let options = Options {
        endpoint: "https://center.example".parse().expect("an address"),
        transport: center.transport(),
        tokens: Arc::new(Token),
        request_timeout: Duration::from_secs(30),
    };
    Client::new(options).expect("a client")
}

fn project() -> ProjectName {
    ProjectName::parse(PROJECT).expect("a name")
}

fn pool() -> PoolName {
    PoolName::parse(POOL).expect("a name")
}

fn box_1() -> BoxId {
    BoxId {
        project: project(),
        owner: Owner::Me,
        name: BoxName::parse("shraga-me-1").expect("a name"),
    }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// A Dev Center with a box that runs.
async fn running() -> (Center, Client) {
    let center = Center::new();
    let client = client(&center);
    client.create(&box_1(), &pool()).await.expect("a box");
    center.advance(minutes(30));
    (center, client)
}

async fn state(client: &Client) -> (ProvisioningState, Option<PowerState>) {
    let found = client
        .dev_box(&box_1())
        .await
        .expect("an answer")
        .expect("a box");
    (found.provisioning.expect("a state"), found.power)
}

#[tokio::test]
async fn a_box_lives_from_its_making_to_its_end_and_every_request_is_by_the_description() {
    use PowerState::{Hibernated, Running};
    use ProvisioningState::{Creating, Deleting, Starting, Stopping, Succeeded};
    let center = Center::new();
    let client = client(&center);
    assert_eq!(client.dev_box(&box_1()).await.expect("an answer"), None);
    let created = client.create(&box_1(), &pool()).await.expect("a box");
    assert_eq!(state(&client).await, (Creating, None));
    let Tracking::At(at) = created.tracking else {
        panic!("no address")
    };
    let operation = client.operation(&at).await.expect("an operation");
    assert_eq!(operation.state, OperationState::Running);
    center.advance(minutes(22));
    assert_eq!(state(&client).await, (Succeeded, Some(Running)));
    let operation = client.operation(&at).await.expect("an operation");
    assert_eq!(operation.state, OperationState::Succeeded);

    client.stop(&box_1(), true).await.expect("accepted");
    assert_eq!(state(&client).await, (Stopping, Some(Running)));
    center.advance(minutes(3));
    assert_eq!(state(&client).await, (Succeeded, Some(Hibernated)));
    client.start(&box_1()).await.expect("accepted");
    assert_eq!(state(&client).await.0, Starting);
    center.advance(minutes(3));
    client.restart(&box_1()).await.expect("accepted");
    let busy = client.stop(&box_1(), false).await.expect_err("busy");
    assert_eq!(busy.class(), Class::Conflict);
    center.advance(minutes(7));
    client.repair(&box_1()).await.expect("accepted");
    center.advance(minutes(7));

    client
        .delete(&box_1())
        .await
        .expect("accepted")
        .expect("there was one");
    assert_eq!(state(&client).await.0, Deleting);
    center.advance(minutes(3));
    assert_eq!(client.dev_box(&box_1()).await.expect("an answer"), None);
    assert_eq!(client.delete(&box_1()).await.expect("an answer"), None);
    assert_eq!(center.objections(), [""; 0]);
}

#[tokio::test]
async fn what_surrounds_a_box_is_read() {
    let (center, client) = running().await;
    let projects = client.projects().await.expect("projects");
    assert_eq!(projects[0].boxes_per_person, Some(3));
    let pools = client.pools(&project()).await.expect("pools");
    assert_eq!(pools[0].health, Some(Health::Unknown));
    assert!(
        !pools[0]
            .stop_on_no_connect
            .as_ref()
            .expect("a rule")
            .is_on()
    );
    let abilities = client
        .abilities(&project(), Owner::Me)
        .await
        .expect("abilities");
    assert!(abilities.for_own("WriteDevBoxes") && abilities.for_all("StopDevBoxes"));
    assert!(!abilities.for_own("DeleteEverything"));
    assert_eq!(client.boxes().await.expect("boxes").len(), 1);
    assert_eq!(client.boxes_of(Owner::Me).await.expect("boxes").len(), 1);
    let tasks = client.customization_tasks(&project()).await.expect("tasks");
    assert_eq!(tasks[0].name, "catalog/powershell");
    let connection = client
        .remote_connection(&box_1())
        .await
        .expect("a connection");
    assert!(connection.link().expect("a link").starts_with("https://"));

    let actions = client.actions(&box_1()).await.expect("actions");
    let name = ActionName::parse(&actions[0].name).expect("a name");
    let until = Timestamp::from_secs(1_900_000_000);
    client
        .delay_action(&box_1(), &name, until)
        .await
        .expect("put off");
    let delayed = client
        .delay_actions(&box_1(), until)
        .await
        .expect("put off");
    assert_eq!(delayed[0].result.as_deref(), Some("Succeeded"));
    assert_eq!(center.objections(), [""; 0]);
}

fn install(run_as: RunAs) -> Vec<Task> {
    vec![Task {
        name: "catalog/powershell".to_owned(),
        parameters: [("command".to_owned(), "secret".to_owned())].into(),
        display_name: "the worker".to_owned(),
        timeout_in_seconds: 900,
        run_as,
    }]
}

#[tokio::test]
async fn what_is_run_on_a_box_is_followed_and_waits_for_its_person_only_when_it_runs_as_her() {
    let (center, client) = running().await;
    let group = GroupName::parse("shraga").expect("a name");
    assert_eq!(
        client
            .customization(&box_1(), &group)
            .await
            .expect("an answer"),
        None
    );
    let tasks = install(RunAs::System);
    assert!(!format!("{tasks:?}").contains("secret"));
    client
        .customize(&box_1(), &group, &tasks)
        .await
        .expect("accepted");
    center.advance(minutes(1));
    let seen = client
        .customization(&box_1(), &group)
        .await
        .expect("an answer")
        .expect("a group");
    assert_eq!(seen.state, Some(GroupState::Running));
    center.advance(minutes(3));
    let seen = client
        .customization(&box_1(), &group)
        .await
        .expect("an answer")
        .expect("a group");
    assert_eq!(seen.state, Some(GroupState::Succeeded));
    let task = seen.tasks[0].id.expect("an id");
    let log = client
        .customization_log(&box_1(), &group, task)
        .await
        .expect("a log");
    assert!(log.contains("started"));
    assert_eq!(center.installed()[0].parameters["command"], "secret");

    let other = GroupName::parse("as-user").expect("a name");
    client
        .customize(&box_1(), &other, &install(RunAs::User))
        .await
        .expect("accepted");
    let seen = client
        .customization(&box_1(), &other)
        .await
        .expect("an answer")
        .expect("a group");
    assert!(seen.tasks[0].needs_person());
    assert_eq!(center.objections(), [""; 0]);
}

#[tokio::test]
async fn every_fault_is_told_for_what_it_is() {
    for (fault, class) in [
        (
            Fault::Away("the resolver found no address"),
            Class::Transient,
        ),
        (Fault::SignIn, Class::SignIn),
        (Fault::Denied, Class::Denied),
        (Fault::NoProject, Class::Missing),
        (Fault::NoPool, Class::Missing),
        (Fault::NoRoom, Class::Conflict),
        (Fault::Refuses, Class::Invalid),
        (Fault::Throttles(Some(7)), Class::Throttled),
        (Fault::Throttles(None), Class::Throttled),
        (Fault::Fails, Class::Transient),
        (Fault::Garbles, Class::Malformed),
    ] {
        let center = Center::new();
        center.set(fault.clone());
        let error = client(&center)
            .create(&box_1(), &pool())
            .await
            .expect_err("a fault");
        assert_eq!(error.class(), class, "{fault:?}: {error}");
        assert!(!error.to_string().contains("a-token"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dev_center_that_hangs_costs_a_request_its_deadline_and_no_more() {
    let center = Center::in_tokio_time();
    center.set(Fault::Hangs);
    let client = client(&center);
    let error = client.boxes().await.expect_err("a deadline");
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    center.heal();
    client.boxes().await.expect("it is well again");
}

#[tokio::test]
async fn operations_end_badly_or_never_and_boxes_vanish() {
    let center = Center::new();
    let client = client(&center);
    center.set(Fault::NeverEnds);
    let created = client.create(&box_1(), &pool()).await.expect("a box");
    let Tracking::At(at) = created.tracking else {
        panic!("no address")
    };
    center.advance(minutes(600));
    assert!(!client.operation(&at).await.expect("an operation").is_over());
    center.heal();
    center.set(Fault::Spoils);
    let failed = client.operation(&at).await.expect("an operation");
    assert_eq!(failed.state, OperationState::Failed);
    let found = client
        .dev_box(&box_1())
        .await
        .expect("an answer")
        .expect("a box");
    assert_eq!(found.provisioning, Some(ProvisioningState::Failed));
    assert!(found.error.expect("a reason").contains("image"));

    center.heal();
    client.delete(&box_1()).await.expect("accepted");
    center.advance(minutes(5));
    center.set(Fault::Vanishes);
    let created = client.create(&box_1(), &pool()).await.expect("a box");
    let Tracking::At(at) = created.tracking else {
        panic!("no address")
    };
    center.advance(minutes(30));
    let operation = client.operation(&at).await.expect("an operation");
    assert_eq!(operation.state, OperationState::Succeeded);
    assert_eq!(client.dev_box(&box_1()).await.expect("an answer"), None);
}

#[tokio::test]
async fn states_that_nobody_knows_and_hosts_that_nobody_trusts_break_nothing() {
    let (center, client) = running().await;
    center.set(Fault::Unheard("Levitating"));
    center.set(Fault::Powerless);
    let (provisioning, power) = state(&client).await;
    assert_eq!(
        provisioning,
        ProvisioningState::Other("Levitating".to_owned())
    );
    assert_eq!(power, None);
    center.heal();
    center.set(Fault::Lures);
    let tracking = client.stop(&box_1(), true).await.expect("accepted");
    assert_eq!(tracking, Tracking::Foreign("evil.example".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn however_much_is_asked_the_service_never_has_to_say_that_it_is_too_much() {
    let center = Center::in_tokio_time();
    let client = client(&center);
    let began = tokio::time::Instant::now();
    while began.elapsed() < minutes(5) {
        match client.boxes().await {
            Ok(_) => {}
            Err(error) => {
                let after = error.retry_after().expect("only told to wait");
                tokio::time::advance(after).await;
            }
        }
    }
    let throttled = center
        .asked()
        .iter()
        .filter(|it| it.status == Some(429))
        .count();
    assert_eq!(throttled, 0);
    assert!(center.asked().len() > 1000, "{}", center.asked().len());
}
