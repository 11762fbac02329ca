//! Full life cycles per second: filed, mirrored, assigned, claimed, completed, brought back.

use std::time::Duration;

use serde_json::{Value, json};
use shraga_core::row::{Table, tasks};
use shraga_core::status::TaskStatus;
use shraga_core::time::Span;
use shraga_wire::filter::{Comparison, Filter, Literal, Operand};
use shraga_wire::query::Query;
use tokio_util::sync::CancellationToken;

use super::world::World;
use crate::clock;
use crate::exit::{Exit, Failure};
use crate::tasks::mine;

/// Tasks filed with one request.
const PER_REQUEST: u32 = 250;

/// Between two looks at whether the last task came home.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How long no task may come home before the run is given up.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Runs `count` tasks through and says how fast that was.
pub(super) async fn measure(world: &World, count: u32) -> Result<Value, Failure> {
    let requests = world.meter.requests();
    let reported = world.reported();
    let began = clock::instant();
    file_all(world, count, &[]).await?;
    let filed = began.elapsed();
    wait_for(world, || async {
        Ok(world.reported() - reported >= u64::from(count))
    })
    .await?;
    let reported = began.elapsed();
    wait_for(world, || async { none_on_its_way(world).await }).await?;
    let seconds = began.elapsed().as_secs_f64();
    let requests = world.meter.requests() - requests;
    Ok(json!({
        "tasks": count,
        "seconds": seconds,
        "seconds_until_filed": filed.as_secs_f64(),
        "seconds_until_reported": reported.as_secs_f64(),
        "life_cycles_per_second": f64::from(count) / seconds,
        "requests_per_task": requests as f64 / f64::from(count),
    }))
}

/// Files `count` tasks that stay open (they are not to start before tomorrow) and waits until they
/// are mirrored.
pub(super) async fn leave_open(world: &World, count: u32) -> Result<Value, Failure> {
    let tomorrow = clock::wall().plus(Span::mins(24 * 60));
    let began = clock::instant();
    file_all(world, count, &[(tasks::NOT_BEFORE, tomorrow.into())]).await?;
    wait_for(world, || async { none_unmirrored(world).await }).await?;
    Ok(json!({
        "open": count,
        "seconds_until_mirrored": began.elapsed().as_secs_f64(),
    }))
}

async fn file_all(
    world: &World,
    count: u32,
    extra: &[(shraga_core::row::Column, shraga_core::row::Value)],
) -> Result<(), Failure> {
    let mut left = count;
    while left > 0 {
        let now = left.min(PER_REQUEST);
        world.file(now, extra).await?;
        left -= now;
    }
    Ok(())
}

/// Looks until `is_so`, giving up when nothing moves any more.
async fn wait_for<F>(world: &World, mut is_so: impl FnMut() -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<bool, Failure>>,
{
    let never = CancellationToken::new();
    let mut moved = (world.reported(), world.meter.requests(), clock::instant());
    while !is_so().await? {
        let now = (world.reported(), world.meter.requests());
        if now.0 != moved.0 || now.1 > moved.1 + 1000 {
            moved = (now.0, now.1, clock::instant());
        } else if moved.2.elapsed() > STUCK_AFTER {
            return Err(Failure::new(
                Exit::Failed,
                format!("nothing moved for {}s", STUCK_AFTER.as_secs()),
            ));
        }
        clock::pause(LOOK_EVERY, &never).await;
    }
    Ok(())
}

/// Whether no task without a later start is open.
async fn none_on_its_way(world: &World) -> Result<bool, Failure> {
    let no_start = is("cr_notbefore", Literal::Null);
    let open = [TaskStatus::Pending, TaskStatus::Queued, TaskStatus::Running];
    none(world, vec![no_start, status_in(&open)]).await
}

async fn none_unmirrored(world: &World) -> Result<bool, Failure> {
    none(world, vec![is("cr_mirrortaskid", Literal::Null)]).await
}

async fn none(world: &World, mut filters: Vec<Filter>) -> Result<bool, Failure> {
    filters.push(mine(Some(world.me)));
    let query = Query {
        select: vec!["cr_status".to_owned()],
        filter: Some(Filter::And(filters)),
        top: Some(1),
        ..Query::default()
    };
    let page = world.admin.page(Table::Tasks, &query, None).await?;
    Ok(page.rows.is_empty())
}

fn is(column: &str, literal: Literal) -> Filter {
    Filter::Compare(
        Operand::Column(column.to_owned()),
        Comparison::Eq,
        Operand::Literal(literal),
    )
}

fn status_in(open: &[TaskStatus]) -> Filter {
    Filter::In {
        column: "cr_status".to_owned(),
        values: open
            .iter()
            .map(|status| Literal::Int(status.code()))
            .collect(),
        negated: false,
    }
}
