//! What `cr_updatestate` of the fleet's row holds.
//!
//! What can't be understood is an error, never an empty fleet: a pause that an orchestrator of another version wrote
//! must not be taken for none.

use serde::Deserialize;
use shraga_core::fleet::{Canary, Doubt, Fleet, Pause, Refused, Rollout, Stage, Why};
use shraga_core::ids::{Etag, WorkerId};
use uuid::Uuid;

use super::field::{self, Kind, Of, time};
use super::{Row, RowError};

const WORKERS: Of = Of("workers");
const COLUMN: &str = "cr_updatestate";

#[derive(Default, Deserialize)]
#[serde(default)]
struct RowJson {
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
    cr_updatestate: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FleetJson {
    pause: Option<PauseJson>,
    rollout: Option<RolloutJson>,
    refused: Vec<RefusedJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseJson {
    by: String,
    at: String,
    #[serde(default)]
    why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RolloutJson {
    release: String,
    since: String,
    #[serde(default)]
    canary: Option<CanaryJson>,
    #[serde(default)]
    open: Option<String>,
    #[serde(default)]
    doubt: Option<DoubtJson>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DoubtJson {
    by: Uuid,
    said: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CanaryJson {
    worker: Uuid,
    name: String,
    allowed: String,
    #[serde(default)]
    well: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedJson {
    release: String,
    why: String,
    said: String,
    at: String,
}

/// The fleet's row (read with [`super::select::FLEET`]), and its version.
///
/// # Errors
/// Names the field that cannot be understood.
pub fn fleet(row: &Row) -> Result<(Etag, Fleet), RowError> {
    let fields = [("@odata.etag", Kind::Text), (COLUMN, Kind::Text)];
    let json: RowJson = WORKERS.read(row, &fields)?;
    let etag = field::etag(WORKERS, json.etag)?;
    let text = json.cr_updatestate.unwrap_or_default();
    if text.trim().is_empty() {
        return Ok((etag, Fleet::default()));
    }
    // A list would be read as the values of the fields.
    let object = text.trim_start().starts_with('{');
    let read = serde_json::from_str::<FleetJson>(&text).ok();
    let fleet = read.filter(|_| object).and_then(parse);
    fleet
        .map(|fleet| (etag, fleet))
        .ok_or_else(|| WORKERS.bad(COLUMN, text))
}

fn parse(json: FleetJson) -> Option<Fleet> {
    let pause = match json.pause {
        Some(it) => Some(Pause {
            by: it.by,
            at: time(&it.at)?,
            why: it.why,
        }),
        None => None,
    };
    let rollout = match json.rollout {
        Some(it) => Some(rollout(it)?),
        None => None,
    };
    let refused = json.refused.into_iter().map(|it| {
        Some(Refused {
            release: it.release.parse().ok()?,
            why: Why::of(&it.why)?,
            said: it.said,
            at: time(&it.at)?,
        })
    });
    Some(Fleet {
        pause,
        rollout,
        refused: refused.collect::<Option<_>>()?,
    })
}

fn rollout(json: RolloutJson) -> Option<Rollout> {
    let stage = match (json.canary, json.open) {
        (Some(it), None) => Stage::Canary(Canary {
            worker: WorkerId::new(it.worker),
            name: it.name,
            allowed: time(&it.allowed)?,
            well: match it.well {
                Some(well) => Some(time(&well)?),
                None => None,
            },
        }),
        (None, Some(at)) => Stage::Open(time(&at)?),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    Some(Rollout {
        release: json.release.parse().ok()?,
        since: time(&json.since)?,
        stage,
        doubt: json.doubt.map(|it| Doubt {
            worker: WorkerId::new(it.by),
            said: it.said,
        }),
    })
}

#[cfg(test)]
mod tests {
    use shraga_core::time::Timestamp;

    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn row(text: &str) -> Row {
        let json = serde_json::json!({"@odata.etag": "W/\"1\"", COLUMN: text});
        Row::new(json.to_string().into())
    }

    fn fleet_of(stage: Stage) -> Fleet {
        let release = "1.2.0-0123456789ab".parse().unwrap();
        Fleet {
            pause: Some(Pause {
                by: "Ann \"the admin\"".to_owned(),
                at: NOON,
                why: Some("a fair".to_owned()),
            }),
            refused: vec![Refused {
                release: "1.1.0-0123456789ab".parse().unwrap(),
                why: Why::Failed,
                said: "exit code 1".to_owned(),
                at: NOON,
            }],
            rollout: Some(Rollout {
                release,
                since: NOON,
                stage,
                doubt: Some(Doubt {
                    worker: WorkerId::new(Uuid::from_u128(6)),
                    said: "worker w6: \"it\" fell silent".to_owned(),
                }),
            }),
        }
    }

    #[test]
    fn the_fleet_is_read_as_it_was_written() {
        let canary = |well| {
            Stage::Canary(Canary {
                worker: WorkerId::new(Uuid::from_u128(7)),
                name: "w7".to_owned(),
                allowed: NOON,
                well,
            })
        };
        for stage in [canary(None), canary(Some(NOON)), Stage::Open(NOON)] {
            let written = fleet_of(stage);
            let (etag, read) = fleet(&row(&written.to_json())).unwrap();
            assert_eq!((etag.as_str(), read), ("W/\"1\"", written));
        }
        let empty = fleet(&row(&Fleet::default().to_json())).unwrap().1;
        assert_eq!(empty, Fleet::default());
        assert_eq!(fleet(&row("")).unwrap().1, Fleet::default());
    }

    #[test]
    fn what_another_version_wrote_is_no_empty_fleet() {
        let written = fleet_of(Stage::Open(NOON)).to_json();
        for text in [
            written.replace("\"open\"", "\"half-open\""),
            written.replace("1.2.0-0123456789ab", "1.2.0"),
            written.replace("\"failed\"", "\"disliked\""),
            "[]".to_owned(),
        ] {
            assert!(fleet(&row(&text)).is_err(), "{text}");
        }
    }
}
