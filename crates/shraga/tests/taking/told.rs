//! What the store was told of tasks: lines, and whether the chains of events hold.

use std::collections::BTreeMap;

use serde_json::Value;
use shraga_core::audit::{Recorded, verify};
use shraga_core::row::Table;
use shraga_dataverse::rows;
use shraga_dataverse::transport::{NetworkOptions, network};
use shraga_dataverse::{Client, Options, Row};
use shraga_wire::query::Query;

use crate::scene::Scene;

impl Scene {
    /// What its agent said, as the story of the task has it.
    pub(crate) fn lines(&self, task: &str) -> Vec<String> {
        let ran = self.place.run(&["logs", task, "--json"]);
        let events = ran
            .out
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines = events.filter_map(|event| Some(event["content"]["lines"].as_array()?.clone()));
        let text = |line: Value| line.as_str().map(str::to_owned);
        lines.flatten().filter_map(text).collect()
    }

    /// Streams of these tasks whose chain of events does not hold.
    pub(crate) fn broken_chains(&self, tasks: &[String]) -> Vec<String> {
        let mut streams: BTreeMap<(String, String), Vec<Recorded>> = BTreeMap::new();
        for event in self
            .events()
            .into_iter()
            .filter(|event| tasks.contains(&event.task))
        {
            let key = (event.task.clone(), event.stream.clone());
            streams.entry(key).or_default().push(Recorded {
                sequence: event.sequence,
                content: event.content,
                previous: event.previous_hash,
                hash: event.hash,
            });
        }
        assert!(streams.len() >= tasks.len(), "{streams:?}");
        let broken = streams.iter_mut().filter_map(|(name, events)| {
            events.sort_by_key(|event| event.sequence);
            let why = verify(events, None).err()?;
            Some(format!("{name:?}: {why}"))
        });
        broken.collect()
    }

    /// Versions that the workers' rows say they run, and how many tasks run there; nothing while the store is away.
    pub(crate) fn workers(&self) -> Vec<(String, usize)> {
        let rows = self.list(Table::Workers).unwrap_or_default();
        let objects = rows.iter().map(|row| row.object().unwrap());
        let workers = objects.filter(|row| row["cr_name"] == "local-1");
        workers
            .map(|row| {
                let leases: Value =
                    serde_json::from_str(row["cr_leases"].as_str().unwrap_or_default())
                        .unwrap_or_default();
                let version = row["cr_version"].as_str().unwrap_or_default();
                (version.to_owned(), leases.as_array().map_or(0, Vec::len))
            })
            .collect()
    }

    fn events(&self) -> Vec<rows::Event> {
        let rows = self.list(Table::Events).unwrap();
        rows.iter().map(|row| rows::event(row).unwrap()).collect()
    }

    /// All rows of a table; none while there is no store.
    fn list(&self, table: Table) -> Option<Vec<Row>> {
        let token = std::fs::read_to_string(self.place.data().join("admin.token")).ok()?;
        let endpoint = std::fs::read_to_string(self.place.data().join("endpoint.json")).ok()?;
        let endpoint: Value = serde_json::from_str(&endpoint).ok()?;
        let transport = network(&NetworkOptions {
            no_proxy: true,
            ..NetworkOptions::default()
        });
        let address = endpoint["url"].as_str()?.parse().unwrap();
        let mut options = Options::new(address, transport.unwrap());
        options.token = Some(token.trim().to_owned().into());
        let (client, query) = (Client::new(options).unwrap(), Query::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(client.list(table, &query)).ok()
    }
}
