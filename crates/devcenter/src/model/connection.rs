//! How a person gets onto her Dev Box.

use std::fmt;

use serde::Deserialize;

use crate::open::{Hidden, lenient};

/// Ways to a Dev Box. `Debug` shows which there are, and none of them: one contains its user's principal name.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteConnection {
    /// In a browser.
    #[serde(default, rename = "webUrl", deserialize_with = "lenient")]
    pub web: Option<String>,
    /// In the Windows App.
    #[serde(default, rename = "cloudPcConnectionUrl", deserialize_with = "lenient")]
    pub app: Option<String>,
    /// By the remote desktop client (`ms-avd:`); contains the person's principal name: personal data, not to be
    /// written anywhere.
    #[serde(default, rename = "rdpConnectionUrl", deserialize_with = "lenient")]
    pub desktop: Option<String>,
}

impl RemoteConnection {
    /// The address that may be shown and kept: in a browser, or else in the app.
    #[must_use]
    pub fn link(&self) -> Option<&str> {
        let harmless = |link: &&str| link.starts_with("https://") && !link.contains('@');
        let links = [self.web.as_deref(), self.app.as_deref()];
        links.into_iter().flatten().find(harmless)
    }
}

impl fmt::Debug for RemoteConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteConnection")
            .field("web", &Hidden(&self.web))
            .field("app", &Hidden(&self.app))
            .field("desktop", &Hidden(&self.desktop))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_never_the_one_with_a_principal_name() {
        let read =
            |json: &str| -> RemoteConnection { serde_json::from_str(json).expect("a connection") };
        let desktop = r#""rdpConnectionUrl":"ms-avd:connect?username=ann@example.org""#;
        let both = read(&format!(
            r#"{{"webUrl":"https://devbox.example/x",{desktop}}}"#
        ));
        assert_eq!(both.link(), Some("https://devbox.example/x"));
        let odd = read(&format!(r#"{{"webUrl":"javascript:alert(1)",{desktop}}}"#));
        assert_eq!(odd.link(), None);
        assert!(!format!("{both:?}").contains("ann"), "{both:?}");
    }
}
