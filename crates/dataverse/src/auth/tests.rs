//! When a token is used and a credential asked, with time moved by hand; names; words.

use super::keep::{Bearer, Keep, Next};
use super::trouble::said;
use super::*;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn after(seconds: i64) -> Timestamp {
    START.plus(Span::secs(seconds))
}

/// A token that expires `seconds` after the start.
fn token(text: &str, seconds: i64) -> Bearer {
    Bearer {
        header: header(text).unwrap(),
        expires: after(seconds),
        kind: Kind::AzureCli,
    }
}

fn nothing() -> NoToken {
    let why = Why::NotLoggedIn;
    let kind = Kind::AzureCli;
    NoToken {
        tried: vec![Trouble { kind, why }],
    }
}

/// What is done at `seconds`, in a word.
fn at(keep: &Keep, seconds: i64) -> String {
    let shown = |bearer: &Bearer| bearer.header.to_str().unwrap()["Bearer ".len()..].to_owned();
    match keep.next(after(seconds)) {
        Next::Use(bearer) => format!("use {}", shown(&bearer)),
        Next::UseAndAsk(bearer) => format!("use {} and ask", shown(&bearer)),
        Next::Ask => "ask".to_owned(),
        Next::Fail(_) => "fail".to_owned(),
    }
}

#[test]
fn a_token_is_used_until_five_minutes_before_it_expires_and_then_renewed_meanwhile() {
    let mut keep = Keep::default();
    assert_eq!(at(&keep, 0), "ask");
    keep.learn(START, Ok(token("one", 3600)));
    assert_eq!(at(&keep, 0), "use one");
    assert_eq!(at(&keep, 3299), "use one");
    assert_eq!(at(&keep, 3300), "use one and ask");
    keep.learn(after(3300), Ok(token("two", 7200)));
    assert_eq!(at(&keep, 3301), "use two");
    assert_eq!(at(&keep, 7200), "ask");
}

#[test]
fn a_renewal_that_fails_costs_nothing_while_the_token_is_good() {
    let mut keep = Keep::default();
    keep.learn(START, Ok(token("one", 3600)));
    keep.learn(after(3400), Err(nothing()));
    assert_eq!(at(&keep, 3401), "use one");
    assert_eq!(at(&keep, 3430), "use one and ask");
    keep.learn(after(3595), Err(nothing()));
    assert_eq!(at(&keep, 3599), "use one");
    assert_eq!(at(&keep, 3600), "fail");
    assert_eq!(at(&keep, 3625), "ask");
}

#[test]
fn a_credential_that_failed_is_asked_again_after_half_a_minute_and_not_before() {
    let mut keep = Keep::default();
    keep.learn(START, Err(nothing()));
    assert_eq!(at(&keep, 0), "fail");
    assert_eq!(at(&keep, 29), "fail");
    assert_eq!(at(&keep, 30), "ask");
}

#[test]
fn a_token_with_a_short_life_is_not_asked_for_with_every_request() {
    let mut keep = Keep::default();
    keep.learn(START, Ok(token("short", 60)));
    assert_eq!(at(&keep, 0), "use short");
    assert_eq!(at(&keep, 29), "use short");
    assert_eq!(at(&keep, 30), "use short and ask");
    keep.learn(after(30), Ok(token("short", 60)));
    assert_eq!(at(&keep, 59), "use short");
    assert_eq!(at(&keep, 60), "ask");
}

#[test]
fn a_clock_that_is_set_back_blocks_nobody() {
    let mut keep = Keep::default();
    keep.learn(after(100_000), Err(nothing()));
    assert_eq!(at(&keep, 0), "ask");
}

#[test]
fn a_refused_token_is_replaced_once_and_then_not_for_half_a_minute() {
    let mut keep = Keep::default();
    let (one, two, three) = (token("one", 3600), token("two", 3600), token("three", 3600));
    keep.learn(START, Ok(one.clone()));
    assert!(keep.refuse(&one.header, after(1)));
    assert_eq!(at(&keep, 1), "ask");
    // A second request with the same token waits for the same asking.
    assert!(keep.refuse(&one.header, after(1)));
    keep.learn(after(2), Ok(two.clone()));
    // One that was on its way with the old token takes the new one.
    assert!(keep.refuse(&one.header, after(2)));
    assert_eq!(at(&keep, 2), "use two");
    assert!(!keep.refuse(&two.header, after(3)));
    assert_eq!(at(&keep, 3), "use two");
    assert!(!keep.refuse(&two.header, after(30)));
    assert!(keep.refuse(&two.header, after(31)));
    keep.learn(after(32), Ok(three));
    assert_eq!(at(&keep, 32), "use three");
}

#[test]
fn a_refused_token_is_not_used_when_no_other_can_be_had() {
    let mut keep = Keep::default();
    let one = token("one", 3600);
    keep.learn(START, Ok(one.clone()));
    assert!(keep.refuse(&one.header, after(1)));
    keep.learn(after(2), Err(nothing()));
    assert_eq!(at(&keep, 2), "fail");
    assert_eq!(at(&keep, 32), "ask");
}

#[test]
fn the_names_are_those_of_azures_tools_whatever_their_case() {
    assert_eq!(Choice::parse(" PROD "), Some(Choice::Prod));
    assert_eq!(Choice::parse("dev"), Some(Choice::Dev));
    for kind in Kind::ALL {
        assert!(Choice::EXPECTS.contains(kind.name()));
        let choice = Choice::Only(kind);
        assert_eq!(Choice::parse(kind.name()), Some(choice));
        assert_eq!(Choice::parse(&kind.name().to_lowercase()), Some(choice));
        assert_eq!(choice.name(), Some(kind.name()));
    }
    assert_eq!(
        Choice::parse("AzureCLICredential"),
        Some(Choice::Only(Kind::AzureCli))
    );
    for unknown in [
        "",
        "all",
        "VisualStudioCredential",
        "EnvironmentCredential,",
    ] {
        assert_eq!(Choice::parse(unknown), None, "{unknown}");
    }
}

#[test]
fn all_credentials_are_those_of_a_service_and_then_those_of_a_person() {
    let both = [Choice::Prod.kinds(), Choice::Dev.kinds()].concat();
    assert_eq!(Choice::All.kinds(), both);
    assert_eq!(Choice::All.kinds(), Kind::ALL);
}

#[test]
fn what_a_credential_lacks_is_told_by_the_variables() {
    let mut settings = Settings::default();
    let three = vec!["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"];
    assert_eq!(settings.of(Kind::Environment), Standing::Unset(three));
    settings.client_secret = Some("secret".to_owned().into());
    let two = vec!["AZURE_TENANT_ID", "AZURE_CLIENT_ID"];
    assert_eq!(settings.of(Kind::Environment), Standing::Lacks(two));
    settings.tenant_id = Some("tenant".to_owned());
    settings.client_id = Some("client".to_owned());
    assert_eq!(settings.of(Kind::Environment), Standing::Set);
    let file = Standing::Unset(vec!["AZURE_FEDERATED_TOKEN_FILE"]);
    assert_eq!(settings.of(Kind::WorkloadIdentity), file);
    assert_eq!(settings.of(Kind::AzureCli), Standing::ToBeFound);
}

#[test]
fn a_bare_host_is_an_authority_too() {
    let of = |authority: &str| {
        let authority = authority.to_owned();
        Settings {
            authority,
            ..Settings::default()
        }
        .authority()
    };
    assert_eq!(
        of("login.microsoftonline.us"),
        "https://login.microsoftonline.us"
    );
    assert_eq!(
        of("https://login.chinacloudapi.cn/"),
        "https://login.chinacloudapi.cn"
    );
}

#[test]
fn what_others_say_is_one_line_without_their_secrets() {
    assert_eq!(said("\n\n first line \nsecond", &[]), "first line");
    assert_eq!(said("", &[]), "it said nothing");
    assert_eq!(
        said("wrong secret p4ss given", &["p4ss", ""]),
        "wrong secret *** given"
    );
    let jwt = "eyJhbGciOiJub25lIn0.e30.x";
    assert_eq!(said(&format!("got {jwt}"), &[]), "got ***");
    assert_eq!(said(&format!("got {}", "x".repeat(80)), &[]), "got ***");
    assert_eq!(said(&"word ".repeat(100), &[]).len(), 200);
}

#[test]
fn the_hint_is_about_the_credential_that_was_meant_to_work() {
    let trouble = |kind, why| Trouble { kind, why };
    let hint = |tried: &[Trouble]| {
        NoToken {
            tried: tried.to_vec(),
        }
        .hint()
    };
    let unset = trouble(Kind::Environment, Why::Unset(vec!["AZURE_TENANT_ID"]));
    let nobody = trouble(Kind::AzureCli, Why::NotLoggedIn);
    let absent = trouble(Kind::AzureDeveloperCli, Why::NotInstalled);
    assert!(hint(&[unset.clone(), nobody, absent.clone()]).contains("`az login`"));
    assert!(hint(&[unset.clone(), absent.clone()]).contains("DATAVERSE_TOKEN"));
    assert!(hint(std::slice::from_ref(&unset)).contains("set AZURE_TENANT_ID"));
    assert!(hint(&[absent]).contains("install azd"));
    let expired = "AADSTS7000222: The provided client secret keys are expired.";
    let expired = trouble(Kind::Environment, Why::Refused(expired.to_owned()));
    assert!(hint(&[expired]).contains("has expired"));
}

#[test]
fn nothing_shows_a_token() {
    let bearer = token("s3cret", 10);
    assert!(!format!("{bearer:?}").contains("s3cret"));
    let source = TokenSource::from("s3cret".to_owned());
    assert!(!format!("{source:?}").contains("s3cret"));
    let settings = Settings {
        client_secret: Some("s3cret".to_owned().into()),
        ..Settings::default()
    };
    assert!(!format!("{settings:?}").contains("s3cret"));
}
