//! The Dev Box settings, checked: missing, wrong or broken ones turn provisioning off and stop nothing else.
//!
//! Pure: what the Dev Center says is found out by `machines::dev_box`.

use std::fmt;

use shraga_dataverse::transport::is_loopback;
use url::Url;

/// The largest `PROVISION_THRESHOLD`: more open tasks than one person ever has.
const THRESHOLD_MAX: u32 = 1000;

/// Characters of a wrong value that are shown: enough to recognise it, little enough for a log line.
const SHOWN_CHARS: usize = 60;

/// The settings as they were given.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `DEVCENTER_ENDPOINT`
    pub endpoint: Option<String>,
    /// `DEVBOX_PROJECT`
    pub project: Option<String>,
    /// `DEVBOX_POOL`
    pub pool: String,
    /// `PROVISION_THRESHOLD`
    pub threshold: String,
}

/// Settings that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevBoxes {
    /// The Dev Center's address: https, or http on a loopback address.
    pub endpoint: Url,
    /// Its project.
    pub project: String,
    /// The pool in which Dev Boxes are made.
    pub pool: String,
    /// From how many open tasks on a person without a machine gets one.
    pub threshold: u32,
}

/// Why provisioning is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provisioning {
    /// It isn't configured, which is fine: these are not set.
    NotConfigured,
    /// The settings can't be used, for each of these reasons.
    Wrong(Vec<String>),
}

impl fmt::Display for Provisioning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("provisioning is off: ")?;
        match self {
            Self::NotConfigured => f.write_str("DEVCENTER_ENDPOINT and DEVBOX_PROJECT are not set"),
            Self::Wrong(reasons) => {
                write!(f, "{}; correct it and start again", reasons.join("; "))
            }
        }
    }
}

impl Settings {
    /// The settings, if they can be used.
    ///
    /// # Errors
    /// Why provisioning is off: every reason at once.
    pub fn check(&self) -> Result<DevBoxes, Provisioning> {
        let (endpoint, project) = match (&self.endpoint, &self.project) {
            (None, None) => return Err(Provisioning::NotConfigured),
            (endpoint, project) => (endpoint.as_deref(), project.as_deref()),
        };
        let mut wrong = Vec::new();
        let mut keep = |reason: String| wrong.push(reason);
        let endpoint = needed("DEVCENTER_ENDPOINT", endpoint).and_then(address);
        let project = needed("DEVBOX_PROJECT", project).and_then(|it| name("DEVBOX_PROJECT", it));
        let pool = name("DEVBOX_POOL", &self.pool);
        let threshold = threshold(&self.threshold);
        let endpoint = endpoint.map_err(&mut keep).ok();
        let project = project.map_err(&mut keep).ok();
        let pool = pool.map_err(&mut keep).ok();
        let threshold = threshold.map_err(&mut keep).ok();
        match (endpoint, project, pool, threshold) {
            (Some(endpoint), Some(project), Some(pool), Some(threshold)) => Ok(DevBoxes {
                endpoint,
                project,
                pool,
                threshold,
            }),
            _ => Err(Provisioning::Wrong(wrong)),
        }
    }
}

fn needed<'a>(variable: &str, value: Option<&'a str>) -> Result<&'a str, String> {
    value.ok_or_else(|| format!("{variable} is not set"))
}

fn address(text: &str) -> Result<Url, String> {
    let wrong = |why: &str| format!("DEVCENTER_ENDPOINT is {}, {why}", shown(text));
    let url = Url::parse(text).map_err(|_| wrong("which is no address (https://...)"))?;
    if !url.has_host() {
        return Err(wrong("which names no host"));
    }
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err("DEVCENTER_ENDPOINT contains a user name or password".to_owned())
        }
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(wrong(
            "but must be https://: a token would travel in the clear",
        )),
        _ => Err(wrong("which is no address (https://...)")),
    }
}

/// The Dev Center's rule for names: 3 to 63 letters, digits, `-`, `_` and `.`, not first.
fn name(variable: &str, text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = (3..=63).contains(&text.len())
        && text.chars().all(allowed)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    good.then(|| text.to_owned()).ok_or_else(|| {
        let text = shown(text);
        format!("{variable} is {text}, but must be 3 to 63 letters, digits, '-', '_' or '.'")
    })
}

fn threshold(text: &str) -> Result<u32, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=THRESHOLD_MAX).contains(number));
    number.ok_or_else(|| {
        let text = shown(text);
        format!(
            "PROVISION_THRESHOLD is {text}, but must be a whole number from 1 to {THRESHOLD_MAX}"
        )
    })
}

/// The beginning of a value in quotes, without characters that a terminal would obey.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(SHOWN_CHARS).collect();
    format!("{start:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str, project: &str) -> Settings {
        Settings {
            endpoint: Some(endpoint.to_owned()),
            project: Some(project.to_owned()),
            pool: "shraga-worker-pool".to_owned(),
            threshold: "5".to_owned(),
        }
    }

    fn why(settings: &Settings) -> String {
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn right_settings_are_taken_as_they_are() {
        let boxes = settings("https://t-c.eastus.devcenter.azure.com", "agents")
            .check()
            .unwrap();
        assert_eq!(
            boxes.endpoint.as_str(),
            "https://t-c.eastus.devcenter.azure.com/"
        );
        assert_eq!((boxes.project.as_str(), boxes.threshold), ("agents", 5));
        assert!(settings("http://127.0.0.1:9", "agents").check().is_ok());
    }

    #[test]
    fn every_wrong_setting_is_named_with_what_it_must_be() {
        let all = Settings {
            endpoint: Some("http://example.org".to_owned()),
            project: Some("a/../b".to_owned()),
            pool: "x".to_owned(),
            threshold: "many".to_owned(),
        };
        let why = why(&all);
        for part in [
            "DEVCENTER_ENDPOINT is \"http://example.org\", but must be https://",
            "DEVBOX_PROJECT is \"a/../b\", but must be 3 to 63 letters",
            "DEVBOX_POOL is \"x\"",
            "PROVISION_THRESHOLD is \"many\", but must be a whole number from 1 to 1000",
        ] {
            assert!(why.contains(part), "{part} is not in: {why}");
        }
    }

    #[test]
    fn a_password_in_the_address_is_not_shown() {
        let why = why(&settings("https://ann:secret@example.org", "agents"));
        assert!(!why.contains("secret"), "{why}");
    }

    #[test]
    fn half_of_the_settings_say_which_is_missing() {
        let half = Settings {
            project: None,
            ..settings("https://example.org", "x")
        };
        assert!(why(&half).contains("DEVBOX_PROJECT is not set"));
        assert_eq!(
            Settings::default().check(),
            Err(Provisioning::NotConfigured)
        );
    }
}
