//! Reading answers that may say more, less or other than was documented.
//!
//! Every enum of the service is open: a word that nobody knows is kept as it is. A field that is absent, `null` or of
//! another type reads as absent, so that one odd field hides neither the rest of the box nor the other boxes.

use std::fmt;

use jiff::Timestamp as Instant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use shraga_core::time::Timestamp;

/// An enum with a variant for words that nobody knows. Words are compared without regard to case.
macro_rules! open_enum {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
            /// A word that this client doesn't know, as it came.
            Other(String),
        }

        impl $type {
            /// Reads the service's word.
            #[must_use]
            pub fn parse(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($word) {
                    return Self::$variant;
                })+
                Self::Other($crate::said::said(word))
            }

            /// The service's word.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $type {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let word = <::std::borrow::Cow<'de, str>>::deserialize(from)?;
                Ok(Self::parse(&word))
            }
        }
    };
}
pub(crate) use open_enum;

/// What a field says, if it says it as it should.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

/// A moment: seven digits of a second, `+00:00` or `Z`, all the same.
pub(crate) fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = lenient(from)?;
    Ok(text.and_then(|text| parse_moment(&text)))
}

/// Reads a moment.
pub(crate) fn parse_moment(text: &str) -> Option<Timestamp> {
    let at: Instant = text.trim().parse().ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

/// Words of the service, cleaned; absent when there are none.
pub(crate) fn words<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = lenient(from)?;
    Ok(text
        .map(|text| crate::said::said(&text))
        .filter(|text| !text.is_empty()))
}

/// Shows that there is something, and not what.
pub(crate) struct Hidden<'a, T>(pub(crate) &'a Option<T>);

impl<T> fmt::Debug for Hidden<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "***" } else { "none" })
    }
}
