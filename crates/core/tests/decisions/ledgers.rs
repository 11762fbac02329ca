//! Ledgers and accounts, read back from the text that the core wrote; and what must hold of them in every
//! history.

use std::collections::{BTreeMap, HashMap};

use shraga_core::budget::Budget;
use shraga_core::ids::{Attempt, Etag, MirrorId, UserId, WorkerId};
use shraga_core::ledger::{Account, Allowance, DaySpent, End, Held, Ledger, Open, Place, Sum};
use shraga_core::model::{Mirror, Person, Wants};
use shraga_core::plan::budget::Budgets;
use shraga_core::time::{Day, Span, Timestamp};
use shraga_core::usage::{Spent, Usage};

/// What one person may spend on a day, in these histories.
pub(crate) const HERS: u64 = 1_000;

/// What everybody together may spend.
pub(crate) const EVERYBODYS: u64 = 1_500;

pub(crate) fn budgets() -> Budgets {
    let cost = |micros| Allowance {
        cost_micros: Some(micros),
        tokens: None,
    };
    Budgets {
        user_day: cost(HERS),
        day: cost(EVERYBODYS),
        attempt: cost(300),
        accounts: true,
        ..Budgets::default()
    }
}

/// What an input of these histories says: a budget in micros, or nothing.
pub(crate) fn wants(input: Option<String>) -> Wants {
    Wants {
        budget: Budget {
            cost_micros: input.map(|text| text.parse().unwrap()),
            ..Budget::NONE
        },
        ..Wants::default()
    }
}

/// JSON as this crate prints it.
#[derive(Debug)]
enum Json {
    Number(i64),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Json {
    fn read(text: &str) -> Self {
        let mut rest = text;
        let json = Self::next(&mut rest);
        assert_eq!(rest, "", "{text}");
        json
    }

    fn next(rest: &mut &str) -> Self {
        match rest.as_bytes()[0] {
            b'{' => Self::Object(items(rest, '}', |rest| {
                let Self::Text(key) = Self::next(rest) else {
                    panic!("a key is a text: {rest}");
                };
                *rest = rest.strip_prefix(':').unwrap();
                (key, Self::next(rest))
            })),
            b'[' => Self::List(items(rest, ']', Self::next)),
            b'"' => {
                let (text, after) = rest[1..].split_once('"').unwrap();
                *rest = after;
                Self::Text(text.to_owned())
            }
            _ => {
                let end = rest.find([',', '}', ']']).unwrap_or(rest.len());
                let (number, after) = rest.split_at(end);
                *rest = after;
                Self::Number(number.parse().unwrap())
            }
        }
    }

    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(key),
            other => panic!("{other:?} has no {key}"),
        }
    }

    fn number(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Self::Number(number) => Some(u64::try_from(*number).unwrap()),
            other => panic!("{key} is {other:?}"),
        }
    }

    fn count(&self, key: &str) -> u64 {
        self.number(key).unwrap_or(0)
    }

    fn text(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Self::Text(text)) => text,
            other => panic!("{key} is {other:?}"),
        }
    }

    fn list(&self, key: &str) -> &[Self] {
        match self.get(key) {
            Some(Self::List(items)) => items,
            other => panic!("{key} is {other:?}"),
        }
    }

    fn sum(&self) -> Sum {
        Sum {
            cost_micros: self.count("cost_micros"),
            tokens: self.count("tokens"),
        }
    }

    fn attempt(&self) -> Attempt {
        Attempt(u32::try_from(self.count("attempt")).unwrap())
    }

    fn worker(&self) -> WorkerId {
        match self {
            Self::Text(text) => text.parse().unwrap(),
            other => panic!("{other:?} is no worker"),
        }
    }

    fn place(&self) -> Place {
        Place {
            worker: self.get("worker").unwrap().worker(),
            ran: Span::millis(i64::try_from(self.count("ran_ms")).unwrap()),
        }
    }

    fn spent(&self) -> Spent {
        Spent {
            usage: Usage {
                input_tokens: self.count("input_tokens"),
                cost_micros: self.number("cost_micros"),
                ..Usage::NONE
            },
            ran: Span::millis(i64::try_from(self.count("ran_ms")).unwrap()),
        }
    }
}

fn items<T, C: FromIterator<T>>(
    rest: &mut &str,
    close: char,
    mut item: impl FnMut(&mut &str) -> T,
) -> C {
    let mut found = Vec::new();
    *rest = &rest[1..];
    while !rest.starts_with(close) {
        found.push(item(rest));
        *rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    *rest = &rest[1..];
    found.into_iter().collect()
}

/// Days of these histories: within the first month.
fn day(text: &str) -> Day {
    let number: i64 = text.strip_prefix("1970-01-").unwrap().parse().unwrap();
    Day::of(Timestamp::from_secs(86_400 * (number - 1)))
}

pub(crate) fn ledger(text: &str) -> Ledger {
    let json = Json::read(text);
    let unpriced = |json: &Json| u32::try_from(json.count("unpriced")).unwrap();
    Ledger {
        spent: json.get("spent").unwrap().spent(),
        unpriced: unpriced(&json),
        days: json
            .list("days")
            .iter()
            .map(|it| DaySpent {
                day: day(it.text("day")),
                sum: it.sum(),
                unpriced: unpriced(it),
            })
            .collect(),
        ends: json
            .list("ends")
            .iter()
            .map(|it| End {
                attempt: it.attempt(),
                sum: it.sum(),
            })
            .collect(),
        places: match json.get("places") {
            Some(Json::List(places)) => places.iter().map(Json::place).collect(),
            _ => Vec::new(),
        },
        open: json.get("open").map(|it| Open {
            attempt: it.attempt(),
            day: day(it.text("day")),
            reserved: Allowance {
                cost_micros: it.number("cost_micros"),
                tokens: it.number("tokens"),
            },
            noted: it.get("noted").map(Json::spent),
            worker: it.get("worker").map(Json::worker),
        }),
    }
}

fn account(text: &str) -> Account {
    let json = Json::read(text);
    let held = json.list("held").iter().map(|it| Held {
        mirror: it.text("mirror").parse().unwrap(),
        attempt: it.attempt(),
        sum: it.sum(),
    });
    Account {
        day: day(json.text("day")),
        spent: json.get("spent").unwrap().sum(),
        held: held.collect(),
    }
}

/// A person's row.
pub(crate) fn person(id: UserId, etag: Etag, usage: Option<String>) -> Person {
    let account = usage.map(|text| account(&text)).unwrap_or_default();
    Person {
        id,
        disabled: false,
        account: Some((etag, account)),
    }
}

/// What agents really used, beside what the rows say.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    granted: HashMap<(MirrorId, Attempt), u64>,
    used: HashMap<(MirrorId, Attempt), u64>,
}

impl Truth {
    /// Remembers what attempts were given.
    pub(crate) fn see(&mut self, mirrors: &[Mirror]) {
        for mirror in mirrors {
            if let Some(open) = mirror.ledger.open {
                let cost = open
                    .reserved
                    .cost_micros
                    .expect("every cost is limited here");
                self.granted.insert((mirror.id, open.attempt), cost);
            }
        }
    }

    /// The agent of an attempt ends: it used a part of what it was given, or doesn't tell.
    pub(crate) fn end(&mut self, mirror: MirrorId, attempt: Attempt, part: u64) -> Usage {
        let given = self.granted.get(&(mirror, attempt)).copied().unwrap_or(0);
        let used = given * (part % 5) / 4;
        self.used.insert((mirror, attempt), used);
        Usage {
            input_tokens: 1,
            cost_micros: (!part.is_multiple_of(3)).then_some(used),
            ..Usage::NONE
        }
    }

    /// No sum is passed, no attempt counts for less than it used, and the accounts know of all of it.
    pub(crate) fn check(&self, mirrors: &[Mirror], people: &[Person], admin: UserId) {
        let mut sums: HashMap<UserId, u64> = HashMap::new();
        for mirror in mirrors {
            let ended = mirror.ledger.ends.iter();
            let ended: u64 = ended.map(|end| end.sum.cost_micros).sum();
            let open = mirror
                .ledger
                .open
                .and_then(|open| open.reserved.cost_micros);
            for row in mirror.user.into_iter().chain([admin]) {
                *sums.entry(row).or_default() += ended + open.unwrap_or(0);
            }
            for ((_, attempt), used) in self.used.iter().filter(|(at, _)| at.0 == mirror.id) {
                let end = mirror
                    .ledger
                    .end_of(*attempt)
                    .map(|end| end.sum.cost_micros);
                let counted = end.or(open).expect("an attempt is forgotten");
                assert!(
                    counted >= *used,
                    "{used} used and {counted} counted: {mirror:?}"
                );
            }
        }
        for person in people {
            let (_, account) = person.account.as_ref().unwrap();
            let most = if person.id == admin { EVERYBODYS } else { HERS };
            let committed = account.committed().cost_micros;
            let sum = sums.get(&person.id).copied().unwrap_or(0);
            assert!(committed <= most, "{committed} of {most}: {account:?}");
            assert!(
                sum <= committed,
                "{sum} in the ledgers, {committed} in {account:?}"
            );
        }
    }
}
