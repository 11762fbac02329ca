//! Types a setting can have: how each is read from text or TOML, checked and shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use shraga_core::ids::{UserId, WorkerId};
use shraga_dataverse::auth::Choice;
use shraga_dataverse::transport::is_loopback;
use url::Url;

/// A value as it came in, before it is parsed.
#[derive(Clone, Debug)]
pub enum Raw {
    /// From a flag or the environment.
    Text(String),
    /// From the file.
    Toml(toml::Value),
}

impl Raw {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Toml(toml::Value::String(text)) => Some(text),
            Self::Toml(_) => None,
        }
    }

    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Text(text) => text.trim().parse().ok(),
            Self::Toml(toml::Value::Integer(number)) => Some(*number),
            Self::Toml(_) => None,
        }
    }

    /// The value for a message.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Toml(value) => value.to_string(),
        }
    }
}

/// A type of setting.
pub trait Setting: Sized {
    /// What is accepted, as it completes "must be ...".
    const EXPECTS: &'static str;
    /// Whether the value must never be shown.
    const SECRET: bool = false;
    /// Parses a value; `None` when it isn't acceptable.
    fn read(raw: &Raw) -> Option<Self>;
    /// The value as it would stand in `shraga.toml`; `None` when unset.
    fn show(&self) -> Option<String>;
}

impl Setting for String {
    const EXPECTS: &'static str = "a text that isn't empty";
    fn read(raw: &Raw) -> Option<Self> {
        raw.text()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }
    fn show(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

/// The entity set of a table. It goes into addresses and batches as it is, so only what Dataverse itself
/// allows is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntitySet(pub String);

impl From<&str> for EntitySet {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl Setting for EntitySet {
    const EXPECTS: &'static str =
        "an entity set's name: letters, digits and underscores, 128 at most";

    fn read(raw: &Raw) -> Option<Self> {
        let name = raw.word()?;
        is_name(name).then(|| Self(name.to_owned()))
    }

    fn show(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

/// Whether this can be the name of a table, a column or an entity set.
pub(super) fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Where applications sign in, which is where their secrets go. A file, which may have come with a
/// folder, can only choose among Azure's own; the environment is the person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(pub String);

/// The sign-in services of Azure's clouds.
const AUTHORITIES: [&str; 4] = [
    "https://login.microsoftonline.com",
    "https://login.microsoftonline.us",
    "https://login.partner.microsoftonline.cn",
    "https://login.chinacloudapi.cn",
];

impl Setting for Authority {
    const EXPECTS: &'static str = "the https:// address of one of Azure's sign-in services; \
                                   another one only as AZURE_AUTHORITY_HOST";

    fn read(raw: &Raw) -> Option<Self> {
        let given = raw.word()?.trim_end_matches('/');
        let address = match given.contains("://") {
            true => given.to_owned(),
            false => format!("https://{given}"),
        };
        let safe = match raw {
            Raw::Text(_) => Url::parse(&address).is_ok_and(|url| url.scheme() == "https"),
            Raw::Toml(_) => AUTHORITIES.contains(&address.as_str()),
        };
        safe.then_some(Self(address))
    }

    fn show(&self) -> Option<String> {
        Some(format!("{:?}", self.0))
    }
}

impl<T: Setting> Setting for Option<T> {
    const EXPECTS: &'static str = T::EXPECTS;
    const SECRET: bool = T::SECRET;
    fn read(raw: &Raw) -> Option<Self> {
        T::read(raw).map(Some)
    }
    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
    }
}

impl Setting for bool {
    const EXPECTS: &'static str = "true or false";
    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Text(text) => text.trim().parse().ok(),
            Raw::Toml(value) => value.as_bool(),
        }
    }
    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for PathBuf {
    const EXPECTS: &'static str = "a path";
    fn read(raw: &Raw) -> Option<Self> {
        raw.text().filter(|text| !text.is_empty()).map(Self::from)
    }
    fn show(&self) -> Option<String> {
        Some(format!("{:?}", self.display().to_string()))
    }
}

impl Setting for Url {
    const EXPECTS: &'static str =
        "an https:// address, or an http:// one on a loopback address (127.0.0.1, ::1, localhost)";
    fn read(raw: &Raw) -> Option<Self> {
        let url = Self::parse(raw.text()?.trim()).ok()?;
        is_safe(&url).then_some(url)
    }
    fn show(&self) -> Option<String> {
        Some(format!("{:?}", self.as_str()))
    }
}

/// Whether a token may travel to this address: encrypted, or not leaving the machine.
fn is_safe(url: &Url) -> bool {
    let encrypted = url.scheme() == "https" && url.host().is_some();
    encrypted || (url.scheme() == "http" && is_loopback(url))
}

impl Setting for SecretString {
    const EXPECTS: &'static str = "a token in one line without spaces";
    const SECRET: bool = true;
    fn read(raw: &Raw) -> Option<Self> {
        let text = raw.text()?.trim();
        let usable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        usable.then(|| Self::from(text))
    }
    fn show(&self) -> Option<String> {
        let set = !self.expose_secret().is_empty();
        set.then(|| "\"***\"".to_owned())
    }
}

impl Setting for Choice {
    const EXPECTS: &'static str = Self::EXPECTS;
    fn read(raw: &Raw) -> Option<Self> {
        raw.text().and_then(Self::parse)
    }
    fn show(&self) -> Option<String> {
        self.name().map(|name| format!("{name:?}"))
    }
}

impl Setting for Vec<String> {
    const EXPECTS: &'static str = "a list of texts (in the environment: separated by commas)";
    fn read(raw: &Raw) -> Option<Self> {
        match raw {
            Raw::Text(text) => Some(split_list(text)),
            Raw::Toml(toml::Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Raw::Toml(_) => None,
        }
    }
    fn show(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

fn split_list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The identity of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub WorkerId);

impl Setting for Identity {
    const EXPECTS: &'static str = "a GUID";
    fn read(raw: &Raw) -> Option<Self> {
        String::read(raw)?.parse().ok().map(Self)
    }
    fn show(&self) -> Option<String> {
        Some(format!("{:?}", self.0.to_string()))
    }
}

/// Identities of people or applications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities(pub Vec<UserId>);

impl Setting for Identities {
    const EXPECTS: &'static str = "a list of GUIDs";
    fn read(raw: &Raw) -> Option<Self> {
        let named = Vec::<String>::read(raw)?;
        let ids: Option<Vec<UserId>> = named.iter().map(|id| id.parse().ok()).collect();
        ids.map(Self)
    }
    fn show(&self) -> Option<String> {
        let ids: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        Some(format!("{ids:?}"))
    }
}

/// A length of time in whole seconds, 1 to 86,400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub u32);

impl Seconds {
    /// As the standard library has it.
    #[must_use]
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0.into())
    }
}

impl Setting for Seconds {
    const EXPECTS: &'static str = "a whole number of seconds from 1 to 86400";
    fn read(raw: &Raw) -> Option<Self> {
        let number = raw.integer()?;
        (1..=86_400)
            .contains(&number)
            .then(|| u32::try_from(number).ok().map(Self))?
    }
    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// How long a worker may be silent, 4 to 86,400 seconds. Two of its beats at least, since one may be lost:
/// that is checked when all settings are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(pub u32);

impl Patience {
    /// As the standard library has it.
    #[must_use]
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0.into())
    }
}

impl Setting for Patience {
    const EXPECTS: &'static str = "a whole number of seconds from 4 to 86400";
    fn read(raw: &Raw) -> Option<Self> {
        let number = u32::try_from(raw.integer()?).ok()?;
        (4..=86_400).contains(&number).then_some(Self(number))
    }
    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A part of a whole, 1 to 100 percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u8);

impl Setting for Percent {
    const EXPECTS: &'static str = "a whole number from 1 to 100";
    fn read(raw: &Raw) -> Option<Self> {
        let number = u8::try_from(raw.integer()?).ok()?;
        (1..=100).contains(&number).then_some(Self(number))
    }
    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// How often something is done, in minutes up to a day; 0 is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every(pub u32);

impl Every {
    /// Between two times; `None` when it is never done.
    #[must_use]
    pub fn duration(self) -> Option<std::time::Duration> {
        (self.0 > 0).then(|| std::time::Duration::from_secs(60 * u64::from(self.0)))
    }
}

impl Setting for Every {
    const EXPECTS: &'static str =
        "a whole number of minutes from 1 to 1440, or 0 or \"off\" for never";
    fn read(raw: &Raw) -> Option<Self> {
        if raw.word() == Some("off") {
            return Some(Self(0));
        }
        let number = u32::try_from(raw.integer()?).ok()?;
        (number <= 1440).then_some(Self(number))
    }
    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// How often something is tried in all, 1 to 10: more would hold up what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries(pub u32);

impl Setting for Tries {
    const EXPECTS: &'static str = "a whole number from 1 to 10";
    fn read(raw: &Raw) -> Option<Self> {
        let number = u32::try_from(raw.integer()?).ok()?;
        (1..=10).contains(&number).then_some(Self(number))
    }
    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A text that is checked where it is used, so that a wrong one turns off what needs it and nothing
/// else. Any value of the file is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked(pub String);

impl From<&str> for Unchecked {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Setting for Unchecked {
    const EXPECTS: &'static str = "anything";
    fn read(raw: &Raw) -> Option<Self> {
        Some(Self(match raw {
            Raw::Text(text) | Raw::Toml(toml::Value::String(text)) => text.trim().to_owned(),
            Raw::Toml(other) => other.to_string(),
        }))
    }
    fn show(&self) -> Option<String> {
        let number = self.0.parse::<u32>().is_ok();
        Some(if number {
            self.0.clone()
        } else {
            format!("{:?}", self.0)
        })
    }
}

/// How many tasks a worker runs at once, 1 to 256: each is a process or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots(pub u32);

impl Setting for Slots {
    const EXPECTS: &'static str = "a whole number from 1 to 256";
    fn read(raw: &Raw) -> Option<Self> {
        let number = u32::try_from(raw.integer()?).ok()?;
        (1..=256).contains(&number).then_some(Self(number))
    }
    fn show(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// A number from 1 to 1,000,000, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<u32>);

impl Setting for Limit {
    const EXPECTS: &'static str = "a whole number from 1 to 1000000, or 0 or \"off\" for no limit";
    fn read(raw: &Raw) -> Option<Self> {
        if raw.word() == Some("off") {
            return Some(Self(None));
        }
        let number = u32::try_from(raw.integer()?).ok()?;
        (number <= 1_000_000).then_some(Self((number > 0).then_some(number)))
    }
    fn show(&self) -> Option<String> {
        Some(self.0.unwrap_or(0).to_string())
    }
}

/// A number from 1 to 1,000 for each of some names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<String, u32>);

impl Setting for Counts {
    const EXPECTS: &'static str =
        "a table of whole numbers from 1 to 1000, such as { \"NAME\" = 2 }";
    fn read(raw: &Raw) -> Option<Self> {
        let Raw::Toml(toml::Value::Table(table)) = raw else {
            return None;
        };
        let counts = table.iter().map(|(name, value)| {
            let count = u32::try_from(value.as_integer()?).ok()?;
            let fits = (1..=1000).contains(&count) && !name.trim().is_empty();
            fits.then(|| (name.trim().to_owned(), count))
        });
        counts.collect::<Option<_>>().map(Self)
    }
    fn show(&self) -> Option<String> {
        let pairs: Vec<_> = self.0.iter().map(|(n, c)| format!("{n:?} = {c}")).collect();
        (!pairs.is_empty()).then(|| format!("{{ {} }}", pairs.join(", ")))
    }
}

/// The same for people, by their identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weights(pub BTreeMap<UserId, u32>);

impl Setting for Weights {
    const EXPECTS: &'static str =
        "a table of whole numbers from 1 to 1000 by a person's identity, such as { \"GUID\" = 3 }";
    fn read(raw: &Raw) -> Option<Self> {
        let counts = Counts::read(raw)?.0.into_iter();
        let weights = counts.map(|(name, count)| Some((name.parse().ok()?, count)));
        weights.collect::<Option<_>>().map(Self)
    }
    fn show(&self) -> Option<String> {
        let named = self.0.iter().map(|(id, count)| (id.to_string(), *count));
        Counts(named.collect()).show()
    }
}

/// A setting that is one of a few words. `$expects` lists them.
macro_rules! word_setting {
    ($type:ty, $expects:literal, { $($word:literal => $value:expr,)+ }) => {
        impl $crate::config::value::Setting for $type {
            const EXPECTS: &'static str = $expects;
            fn read(raw: &$crate::config::value::Raw) -> Option<Self> {
                match raw.word()? {
                    $($word => Some($value),)+
                    _ => None,
                }
            }
            fn show(&self) -> Option<String> {
                $(if *self == $value { return Some(concat!('"', $word, '"').to_owned()); })+
                None
            }
        }
    };
}
pub(crate) use word_setting;

impl Raw {
    /// The text of a word setting.
    pub(crate) fn word(&self) -> Option<&str> {
        self.text().map(str::trim)
    }
}
