//! Credentials that ask a tool: an `az` and an `azd` that misbehave in every way.

use shraga_dataverse::auth::{Choice, Kind, Why};
use shraga_dataverse::{Error, Stage};

use crate::world::{AMPLE, SHORT, World, az_says, no_token, only, store};

const AZ: Choice = Choice::Only(Kind::AzureCli);

/// Starts a child that holds the pipes, notes both processes, and hangs.
const HANGS: &str = "sleep 1000 & echo $! > \"$HOME/child\"; echo $$ > \"$HOME/parent\"; wait";

#[tokio::test]
async fn whoever_is_logged_in_to_the_cli_is_let_in() {
    let store = store(&["one"]).await;
    let mut world = World::new(Choice::Dev);
    world.settings.tenant_id = Some("contoso.example".to_owned());
    world.log_in("one", 3600);
    world.client(&store).who_am_i().await.unwrap();
    let asked = std::fs::read_to_string(world.folder().join("starts")).unwrap();
    let expected = format!(
        "account get-access-token -o json --scope {}/.default --tenant contoso.example\n",
        store.address
    );
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn nobody_logged_in_is_told_with_the_command_that_helps() {
    let store = store(&[]).await;
    let world = World::new(AZ);
    world.install(
        "az",
        "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1",
    );
    let failed = no_token(&world.client(&store)).await;
    assert_eq!(
        failed.to_string(),
        "AzureCliCredential: nobody is logged in"
    );
    assert!(failed.hint().contains("`az login`"), "{}", failed.hint());
}

#[tokio::test]
async fn a_tool_that_is_not_installed_is_told() {
    let store = store(&[]).await;
    let failed = no_token(&World::new(AZ).client(&store)).await;
    assert_eq!(failed.to_string(), "AzureCliCredential: not installed");
    assert!(failed.hint().contains("install az"), "{}", failed.hint());
    let failed = no_token(&World::new(Choice::Dev).client(&store)).await;
    let both = "AzureCliCredential: not installed; AzureDeveloperCliCredential: not installed";
    assert_eq!(failed.to_string(), both);
}

#[tokio::test]
async fn a_token_of_another_tenant_is_told_by_the_services_own_words() {
    let store = store(&[]).await;
    let world = World::new(AZ);
    let said =
        "ERROR: AADSTS500011: The resource principal named http://x was not found in the tenant.";
    world.install(
        "az",
        &format!("echo '{said}' >&2; echo 'Run az login' >&2; exit 1"),
    );
    let failed = no_token(&world.client(&store)).await;
    assert!(
        failed.to_string().contains("AADSTS500011: The resource"),
        "{failed}"
    );
    assert!(
        failed.hint().contains("AZURE_TENANT_ID"),
        "{}",
        failed.hint()
    );
}

#[tokio::test]
async fn a_tool_that_hangs_with_a_child_that_holds_its_pipes_leaves_no_process_behind() {
    let store = store(&[]).await;
    let mut world = World::new(AZ);
    world.settings.deadline = SHORT * 8;
    world.install("az", HANGS);
    let failed = no_token(&world.client(&store)).await;
    assert_eq!(only(&failed, Kind::AzureCli), Why::TooLong(SHORT * 8));
    for process in ["parent", "child"] {
        let pid = std::fs::read_to_string(world.folder().join(process)).unwrap();
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        let lives = state.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "));
        assert!(!lives, "the {process} still runs");
    }
}

#[tokio::test]
async fn a_tool_that_hangs_uses_up_the_time_of_the_request_and_no_more() {
    let store = store(&["late"]).await;
    let mut world = World::new(AZ);
    world.request_timeout = SHORT;
    world.settings.deadline = AMPLE;
    world.install(
        "az",
        &format!(
            "while [ ! -e \"$HOME/go\" ]; do sleep 0.05; done\n{}",
            az_says("late", 4_000_000_000)
        ),
    );
    let client = world.client(&store);
    let error = client.who_am_i().await.unwrap_err();
    let late = Error::Timeout {
        stage: Stage::Token,
        after: SHORT,
    };
    assert_eq!(error.to_string(), late.to_string());
    assert!(store.seen().is_empty());
    // The asking goes on meanwhile, so that a slow tool serves the requests after it.
    std::fs::write(world.folder().join("go"), "").unwrap();
    let deadline = tokio::time::Instant::now() + AMPLE;
    while client.who_am_i().await.is_err() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the token never came"
        );
    }
    assert_eq!(world.starts(), 1);
}

#[tokio::test]
async fn rubbish_is_no_token_and_is_never_repeated() {
    let store = store(&[]).await;
    for rubbish in [
        "echo '\"hidden-words\"'",
        "echo 'hidden-words'",
        "echo '{\"accessToken\": \"hidden-words\"}'",
        "printf '{\"accessToken\": \"hidden\\nwords\", \"expires_on\": 4000000000, \"tokenType\": \"Bearer\"}'",
        "echo '{\"accessToken\": \"\", \"expires_on\": 4000000000, \"tokenType\": \"Bearer\"}'",
        "cat /dev/zero",
        "true",
    ] {
        let world = World::new(AZ);
        world.install("az", rubbish);
        let failed = no_token(&world.client(&store)).await;
        let Why::NotAToken(_) = only(&failed, Kind::AzureCli) else {
            panic!("{rubbish}: {failed}")
        };
        assert!(
            !format!("{failed:?} {failed}").contains("hidden"),
            "{failed}"
        );
    }
}

#[tokio::test]
async fn a_token_that_has_expired_already_is_told() {
    let store = store(&[]).await;
    let world = World::new(AZ);
    world.log_in("old", -1);
    let failed = no_token(&world.client(&store)).await;
    assert!(
        failed
            .to_string()
            .contains("an expired one, by this machine's clock,"),
        "{failed}"
    );
}

#[tokio::test]
async fn a_token_that_expires_soon_is_used_and_renewed_now_and_then() {
    let store = store(&["one"]).await;
    let world = World::new(AZ);
    world.log_in("one", 100);
    let client = world.client(&store);
    for _ in 0..5 {
        client.who_am_i().await.unwrap();
    }
    assert_eq!(world.starts(), 1);
}

#[tokio::test]
async fn the_developer_cli_takes_over_where_the_other_is_not_installed() {
    let store = store(&["of-azd"]).await;
    let world = World::new(Choice::Dev);
    world.install(
        "azd",
        "echo '{\"token\": \"of-azd\", \"expiresOn\": \"2100-01-01T00:00:00Z\"}'",
    );
    world.client(&store).who_am_i().await.unwrap();
    let world = World::new(Choice::Only(Kind::AzureDeveloperCli));
    let wrapped = r#"{"type":"consoleMessage","data":{"message":"\nERROR: not logged in, run `azd auth login` to login\n"}}"#;
    world.install("azd", &format!("cat >&2 <<'END'\n{wrapped}\nEND\nexit 1"));
    let failed = no_token(&world.client(&store)).await;
    assert_eq!(
        failed.to_string(),
        "AzureDeveloperCliCredential: nobody is logged in"
    );
    assert!(
        failed.hint().contains("`azd auth login`"),
        "{}",
        failed.hint()
    );
}

#[tokio::test]
async fn a_daemon_goes_on_by_itself_once_somebody_has_logged_in() {
    let store = store(&["one"]).await;
    let world = World::new(Choice::Dev);
    world.install("az", "echo \"ERROR: Please run 'az login'\" >&2; exit 1");
    let client = world.client(&store);
    no_token(&client).await;
    world.log_in("one", 3600);
    no_token(&client).await;
    world.clock.advance(31);
    client.who_am_i().await.unwrap();
}

#[tokio::test]
async fn the_identity_never_changes_while_the_program_runs() {
    let store = store(&["of-az", "of-azd"]).await;
    let world = World::new(Choice::Dev);
    world.log_in("of-az", 3600);
    world.install(
        "azd",
        "echo '{\"token\": \"of-azd\", \"expiresOn\": \"2100-01-01T00:00:00Z\"}'",
    );
    let client = world.client(&store);
    client.who_am_i().await.unwrap();
    world.install("az", "echo \"ERROR: Please run 'az login'\" >&2; exit 1");
    world.clock.advance(3601);
    let failed = no_token(&client).await;
    assert_eq!(only(&failed, Kind::AzureCli), Why::NotLoggedIn);
    assert_eq!(store.tokens(), ["of-az"]);
}

#[tokio::test]
async fn another_service_gets_a_token_of_its_own_from_the_same_identity() {
    let store = store(&["of-az"]).await;
    let world = World::new(Choice::Dev);
    world.log_in("of-az", 3600);
    let credentials = world.credentials(&store);
    let center = credentials.for_scope("https://devcenter.azure.com/.default");
    assert_eq!(center.authorization().await.unwrap(), "Bearer of-az");
    let asked = std::fs::read_to_string(world.folder().join("starts")).unwrap();
    assert!(
        asked.contains("--scope https://devcenter.azure.com/.default"),
        "{asked}"
    );

    // The developer CLI could take over, and must not: it would be somebody else.
    world.install("az", "echo \"ERROR: Please run 'az login'\" >&2; exit 1");
    world.install(
        "azd",
        "echo '{\"token\": \"of-azd\", \"expiresOn\": \"2100-01-01T00:00:00Z\"}'",
    );
    let refused = credentials.authorization().await.unwrap_err();
    assert_eq!(only(&refused, Kind::AzureCli), Why::NotLoggedIn);
}
