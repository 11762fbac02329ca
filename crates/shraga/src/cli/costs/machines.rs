//! What machines cost: the time each ran, at the price of an hour. Idle time counts, for it is paid for.

use anstyle::Style;
use serde_json::json;
use shraga_core::machine::Machine;
use shraga_core::time::Timestamp;
use shraga_core::usage::dollars;

use crate::cli::Context;
use crate::config::Config;
use crate::display::paint::DIM;
use crate::display::table::Table as Grid;
use crate::exit::{Exit, Failure};
use crate::roles::session::Session;
use crate::tasks::paid::usd;
use crate::tasks::{machines, workers};

/// Tells it; those that are gone count too.
pub(super) async fn tell(context: &Context, session: &Session) -> Result<Exit, Failure> {
    let (workers, now) = workers::all(&session.client).await?;
    let machines = machines::of(&workers);
    let output = &context.output;
    if output.json {
        output.object(&object(&context.config, &machines, now))?;
    } else if machines.is_empty() {
        output.talk("no machines were made");
    } else {
        output.line(screen(context, &machines, now))?;
    }
    Ok(Exit::Done)
}

/// The known costs together, and how many machines have none.
fn total(config: &Config, machines: &[Machine], now: Timestamp) -> (u64, usize) {
    let cost = |it: &Machine| machines::cost(config, &it.record, now);
    let known = machines
        .iter()
        .filter_map(cost)
        .fold(0, u64::saturating_add);
    let unknown = machines.iter().filter(|it| cost(it).is_none()).count();
    (known, unknown)
}

fn object(config: &Config, machines: &[Machine], now: Timestamp) -> serde_json::Value {
    let row = |it: &Machine| {
        json!({
            "name": it.record.name.as_str(),
            "provider": it.record.provider.as_str(),
            "stage": it.record.stage.as_str(),
            "ran_seconds": it.record.ran(now).as_secs(),
            "cost_usd": machines::cost(config, &it.record, now).map(usd),
        })
    };
    let (known, unknown) = total(config, machines, now);
    json!({
        "rows": machines.iter().map(row).collect::<Vec<_>>(),
        "total": {"cost_usd": usd(known), "unknown": unknown},
    })
}

fn screen(context: &Context, machines: &[Machine], now: Timestamp) -> String {
    let plain = Style::new();
    let mut grid = Grid::new(&context.output, &["MACHINE", "FOR", "RAN", "COST"]);
    grid.keep(&[0, 2, 3]);
    for machine in machines {
        let record = &machine.record;
        grid.row([
            (record.name.to_string(), plain),
            (machines::whom(record.serves), plain),
            (record.ran(now).to_string(), plain),
            (machines::cost_words(&context.config, record, now), plain),
        ]);
    }
    let (known, unknown) = total(&context.config, machines, now);
    let sum = match unknown {
        0 => dollars(known),
        unknown => format!("{} + {unknown} unknown", dollars(known)),
    };
    grid.row([
        ("total".to_owned(), DIM),
        (String::new(), plain),
        (String::new(), plain),
        (sum, plain),
    ]);
    grid.print()
}
