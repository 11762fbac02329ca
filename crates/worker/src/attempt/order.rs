//! What a claimed task asks for: read from its mirror once the claim holds.
//!
//! It is worth waiting for, since the task is claimed. What stands in it was written by a person and
//! is not trusted further than that.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;
use shraga_core::budget::Budget;
use shraga_core::ids::MirrorId;
use shraga_core::ledger::Ledger;
use shraga_core::model::Answer;
use shraga_core::repository::{Address, BadReference};
use shraga_core::row::{Column, Table, tasks};
use shraga_core::worker::Finish;
use shraga_dataverse::{Client, Error, rows};

use super::{Interrupt, unavailable};
use crate::clock;
use crate::workspace::Wanted;

/// Wait between two tries at reading it.
const PAUSE: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// What the agent is asked to do.
    pub(crate) prompt: String,
    /// How to tell that it is done; without any, nothing is verified.
    pub(crate) criteria: Option<String>,
    /// Rounds of work, as asked for.
    pub(crate) rounds: Option<u32>,
    /// The last question of an earlier attempt that was answered.
    pub(crate) answered: Option<Answer>,
    /// What an earlier attempt left to go on from.
    pub(crate) checkpoint: Option<String>,
    /// The repository it is about, or why what stands there is none: such a task must not run
    /// elsewhere.
    pub(crate) repository: Result<Option<Wanted>, String>,
    /// What the task may use at most.
    pub(crate) budget: Budget,
    /// What earlier attempts used, and what this one has reserved.
    pub(crate) ledger: Ledger,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            criteria: None,
            rounds: None,
            answered: None,
            checkpoint: None,
            repository: Ok(None),
            budget: Budget::NONE,
            ledger: Ledger::default(),
        }
    }
}

impl Order {
    /// Reads the order of `mirror`: as long as it takes, unless the attempt is interrupted.
    pub(crate) async fn read(
        client: Client,
        mirror: MirrorId,
        interrupt: Interrupt,
    ) -> Result<Self, Box<Finish>> {
        let read = async {
            loop {
                match Self::read_once(&client, mirror).await {
                    Ok(order) => return Ok(order),
                    // Without a token nothing could be reported either; somebody will log in.
                    Err(error) if error.is_transient() || error.is_about_us() => {
                        clock::after(PAUSE).await;
                    }
                    Err(error) => {
                        let message = format!("its prompt could not be read: {error}");
                        return Err(Box::new(unavailable(&message)));
                    }
                }
            }
        };
        tokio::select! {
            order = read => order,
            why = interrupt.asked() => Err(Box::new(why.finish())),
        }
    }

    async fn read_once(client: &Client, mirror: MirrorId) -> Result<Self, Error> {
        let wanted = [
            tasks::PROMPT,
            tasks::INPUT,
            tasks::ANSWER,
            tasks::EXECUTION_DETAILS,
            tasks::USAGE,
        ];
        let absent = client.absent();
        let wanted = wanted.iter().filter(|it| absent.has(Table::Tasks, **it));
        let columns: Vec<&str> = wanted.map(|column| column.name()).collect();
        let row = client.get(Table::Tasks, mirror.get(), &columns).await?;
        let object = row.map(|row| row.object()).transpose()?;
        let text = |column: Column| {
            let object = object.as_ref()?;
            object.get(column.name())?.as_str()
        };
        let wants = rows::wants(text(tasks::INPUT));
        Ok(Self {
            answered: rows::answer(text(tasks::ANSWER)).filter(|it| it.text.is_some()),
            checkpoint: text(tasks::EXECUTION_DETAILS).map(str::to_owned),
            budget: wants.budget,
            ledger: rows::ledger(text(tasks::USAGE))?,
            ..Self::of(text(tasks::PROMPT), text(tasks::INPUT))
        })
    }

    /// What the prompt and the input ask for.
    pub(super) fn of(prompt: Option<&str>, input: Option<&str>) -> Self {
        let input = Input::read(input);
        Self {
            prompt: prompt.unwrap_or_default().to_owned(),
            criteria: input.criteria(),
            rounds: input.rounds(),
            repository: input.repository(),
            ..Self::default()
        }
    }
}

/// What stands in `cr_input`. Nonsense in it asks for nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Input {
    #[serde(rename = "successCriteria")]
    criteria: Json,
    rounds: Json,
    repo: Json,
    #[serde(rename = "ref")]
    reference: Json,
    push: Json,
}

impl Input {
    fn read(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// A text, or a list of texts.
    fn criteria(&self) -> Option<String> {
        let text = match &self.criteria {
            Json::String(text) => text.trim().to_owned(),
            Json::Array(items) => {
                let items = items.iter().filter_map(Json::as_str);
                let lines: Vec<String> = items.map(|item| format!("- {}", item.trim())).collect();
                lines.join("\n")
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => String::new(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// The repository. What is there and can't be understood is refused, unlike the rest: the agent
    /// would work on something else than the person means.
    fn repository(&self) -> Result<Option<Wanted>, String> {
        let text = |value: &Json, what: &str| match value {
            Json::Null => Ok(None),
            Json::String(text) if text.trim().is_empty() => Ok(None),
            Json::String(text) => Ok(Some(text.trim().to_owned())),
            Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                Err(format!("its {what} is no text"))
            }
        };
        let reference = text(&self.reference, "ref")?;
        let Some(repository) = text(&self.repo, "repo")? else {
            return match reference {
                Some(_) => Err("it names a ref and no repository".to_owned()),
                None => Ok(None),
            };
        };
        // The address itself may hold a password, so it isn't repeated.
        let address: Address = repository
            .parse()
            .map_err(|error| format!("its repository {error}"))?;
        let reference = reference.map(|it| it.parse()).transpose();
        Ok(Some(Wanted {
            address,
            reference: reference.map_err(|error: BadReference| error.to_string())?,
            push: self.push == Json::Bool(true),
        }))
    }

    fn rounds(&self) -> Option<u32> {
        let rounds = self.rounds.as_u64()?;
        Some(u32::try_from(rounds).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_are_a_text_or_a_list_and_nonsense_asks_for_nothing() {
        let criteria = |text| Input::read(Some(text)).criteria();
        let read = criteria(r#"{"successCriteria":" tests green "}"#);
        assert_eq!(read.as_deref(), Some("tests green"));
        let read = criteria(r#"{"successCriteria":["a","b"],"rounds":2}"#);
        assert_eq!(read.as_deref(), Some("- a\n- b"));
        for nothing in [
            r#"{"successCriteria":" "}"#,
            r#"{"successCriteria":7}"#,
            "no",
            "[]",
        ] {
            assert_eq!(criteria(nothing), None, "{nothing}");
        }
        assert_eq!(Input::read(Some(r#"{"rounds":2}"#)).rounds(), Some(2));
        assert_eq!(Input::read(Some(r#"{"rounds":-2}"#)).rounds(), None);
    }

    #[test]
    fn a_repository_that_cannot_be_understood_is_refused_and_its_address_not_repeated() {
        let repository = |text| Input::read(Some(text)).repository();
        assert_eq!(repository("{}"), Ok(None));
        assert_eq!(
            repository(r#"{"repo":null,"ref":"","push":true}"#),
            Ok(None)
        );
        let wanted = r#"{"repo":"https://example.com/a","ref":"main","push":true}"#;
        let wanted = repository(wanted).unwrap().unwrap();
        assert_eq!(wanted.address.as_str(), "https://example.com/a");
        assert_eq!(wanted.reference.unwrap().as_str(), "main");
        assert!(wanted.push);
        for bad in [
            r#"{"repo":7}"#,
            r#"{"repo":"https://me:secret@example.com/a"}"#,
            r#"{"repo":"https://example.com/a","ref":"--upload-pack=x"}"#,
            r#"{"repo":"https://example.com/a","ref":["main"]}"#,
            r#"{"ref":"main"}"#,
        ] {
            let why = repository(bad).unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
