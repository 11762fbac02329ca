//! What the judge lets through, and what it stops.

use super::*;

fn said(method: http::Method, path: &str, body: &str) -> Option<String> {
    let url = format!("https://center.example{path}")
        .parse()
        .expect("an address");
    judge::objection(&method, &url, body.as_bytes())
}

const D: &str = "/projects/agents/users/me/devboxes/box-1";
const V: &str = "api-version=2025-02-01";

#[test]
fn requests_of_the_description_pass() {
    use http::Method;
    for (method, path, body) in [
        (Method::GET, format!("/devboxes?{V}"), ""),
        (
            Method::GET,
            format!("/projects/agents/pools/shraga-worker-pool?{V}"),
            "",
        ),
        (Method::PUT, format!("{D}?{V}"), r#"{"poolName":"pool-1"}"#),
        (Method::POST, format!("{D}:stop?{V}&hibernate=true"), ""),
        (
            Method::POST,
            format!("{D}/actions/schedule-default:delay?{V}&until=2030-01-01T00:00:00Z"),
            "",
        ),
        (
            Method::PUT,
            format!("{D}/customizationGroups/shraga?{V}"),
            r#"{"tasks":[{"name":"catalog/task","parameters":{"a":"b"},"runAs":"System","timeoutInSeconds":600}]}"#,
        ),
    ] {
        assert_eq!(said(method, &path, body), None, "{path}");
    }
}

#[test]
fn requests_that_break_the_description_are_named() {
    use http::Method;
    let put = |path: &str, body: &str| said(Method::PUT, path, body).unwrap_or_default();
    assert!(put(&format!("{D}?{V}"), r#"{"pool":"pool-1"}"#).contains("pool"));
    assert!(put(&format!("{D}?{V}"), r#"{"poolName":"p"}"#).contains("shorter than 3"));
    assert!(
        put(
            &format!("{D}?{V}"),
            r#"{"poolName":"pool-1","name":"box-1"}"#
        )
        .contains("name")
    );
    assert!(put(&format!("{D}?{V}"), "").contains("not JSON"));
    assert!(put(D, r#"{"poolName":"pool-1"}"#).contains("api-version is missing"));
    let bad_name = "/projects/agents/users/me/devboxes/my%20box";
    assert!(put(&format!("{bad_name}?{V}"), r#"{"poolName":"pool-1"}"#).contains("devBoxName"));
    let someone = "/projects/agents/users/ann/devboxes/box-1";
    assert!(put(&format!("{someone}?{V}"), r#"{"poolName":"pool-1"}"#).contains("userId"));
    let post = |path: &str| said(Method::POST, path, "").unwrap_or_default();
    assert!(post(&format!("{D}:stop?{V}&hibernate=maybe")).contains("hibernate"));
    assert!(post(&format!("{D}:start?{V}&force=true")).contains("nobody asked for force"));
    assert!(post(&format!("{D}:explode?{V}")).contains("there is no"));
    assert!(post(&format!("/projects?{V}")).contains("is not for"));
    let group = r#"{"tasks":[{"name":"a","runAs":"Root"}]}"#;
    assert!(put(&format!("{D}/customizationGroups/shraga?{V}"), group).contains("Root"));
}
