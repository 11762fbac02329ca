//! Rows that are not what they say: named, left out of every decision, and never believed.
//!
//! Anybody can write anything into a row of her own: that it is a mirror, that it is somebody else's,
//! that somebody else's mirror is hers. None of it counts ([`super::view`]: the owner of a row is the
//! only identity); here it is said, in the row itself, in an Error event and in `why`. Nobody else's
//! row is touched, and what would run runs.

use super::View;
use super::draft::person_row;
use super::{Loop, Plan};
use crate::audit::{About, ORCHESTRATOR, Stream};
use crate::ids::MirrorId;
use crate::json::Object;
use crate::model::{StreamHead, UserTask};
use crate::reason::Reason;
use crate::row::{ChangeSet, Column, Value, tasks};
use crate::status::{EventKind, TaskStatus};

/// What a row claims that is not so: columns, and what stands in them.
pub(crate) fn false_claims(task: &UserTask) -> Vec<(Column, &str)> {
    let mut claims = Vec::new();
    let foreign = task.claims.user.as_deref().filter(|text| {
        // An e-mail address, as the original's flows left it, says nothing.
        text.parse()
            .is_ok_and(|user: crate::ids::UserId| user != task.owner)
    });
    claims.extend(foreign.map(|text| (tasks::USER_ID, text)));
    let of = task.claims.mirror_of.as_deref();
    claims.extend(of.map(|text| (tasks::MIRROR_OF, text)));
    claims
}

/// `cr_userid, cr_mirroroftaskid`
pub(crate) fn columns(claims: &[(Column, &str)]) -> String {
    let names: Vec<&str> = claims.iter().map(|(column, _)| column.name()).collect();
    names.join(", ")
}

/// What the Error event about false claims holds.
pub(super) fn about_claims(claims: &[(Column, &str)]) -> Object {
    let about = Object::new().text("reason", Reason::Quarantined);
    claims.iter().fold(about, |about, (column, text)| {
        about.text(
            column.name(),
            crate::limits::line(text, crate::limits::NAME_UNITS),
        )
    })
}

/// A new task at all of whose identities somebody else's rows sit: it ends, so that it keeps nobody
/// behind it from her turn.
pub(super) fn fail(view: &View<'_>, task: &UserTask, plan: &mut Plan) {
    let said = Reason::Quarantined.message();
    let cells = vec![
        (tasks::STATUS, TaskStatus::Failed.into()),
        (tasks::REASON, Reason::Quarantined.as_str().into()),
        (tasks::STATUS_MESSAGE, said.into()),
        (tasks::FINISHED, view.now.into()),
    ];
    let about = Object::new()
        .text("reason", Reason::Quarantined)
        .text("row", MirrorId::of(task.id, 0));
    say(view, task, cells, said, about, plan);
}

/// Rows that say they are mirrors and are not the admin's.
pub(super) fn impostors(view: &View<'_>, plan: &mut Plan) {
    let said = "says it is a mirror, but only the orchestrator's own rows are";
    for row in &view.snapshot.impostors {
        let known = row.shown.reason.as_deref() == Some(Reason::Quarantined.as_str());
        if known || row.status.is_terminal() || view.snapshot.admin == Some(row.owner) {
            continue;
        }
        let cells = vec![
            (tasks::REASON, Reason::Quarantined.as_str().into()),
            (tasks::STATUS_MESSAGE, said.into()),
        ];
        let claims = false_claims(row);
        say(view, row, cells, said, about_claims(&claims), plan);
    }
}

/// Says it in the row, in an event (in a set of its own: it may meet a planted one), and in the log.
fn say(
    view: &View<'_>,
    task: &UserTask,
    cells: Vec<(Column, Value)>,
    said: &str,
    about: Object,
    plan: &mut Plan,
) {
    let (id, owner) = (task.id, task.owner);
    plan.notes.push(format!(
        "{}: the row {id} of person {owner}: {said}",
        Reason::Quarantined
    ));
    plan.sets.push(ChangeSet {
        task: Some(id),
        why: format!("quarantine row {}: {said}", id.short()),
        writes: vec![person_row(task, cells)],
    });
    if !view.policy.events {
        return;
    }
    let mut stream = Stream::new(
        About {
            mirror: MirrorId::new(id.get()),
            task: id,
            user: Some(owner),
            attempt: task.shown.attempt,
            stream: ORCHESTRATOR.to_owned(),
        },
        StreamHead::default(),
    );
    plan.sets.push(ChangeSet {
        task: None,
        why: format!("tell of the quarantined row {}", id.short()),
        writes: vec![stream.push(EventKind::Error, said, view.now, about)],
    });
}

/// Says in the log what a row claims, once it is mirrored.
pub(super) fn note_claims(task: &UserTask, claims: &[(Column, &str)], plan: &mut Plan) {
    debug_assert!(plan.by == Loop::Mirror || plan.by == Loop::Repair);
    plan.notes.push(format!(
        "{}: task {} of person {}: what its row says in {} was not believed",
        Reason::Quarantined,
        task.id,
        task.owner,
        columns(claims)
    ));
}
