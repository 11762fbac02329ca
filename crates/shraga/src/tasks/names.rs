//! Names of workers, for people; scripts get identities.

use std::collections::HashMap;

use shraga_core::row::Table;
use shraga_dataverse::{Client, Error};
use shraga_wire::query::Query;

/// Characters of an identity that stand for a worker whose name can't be seen.
const SHORT_CHARS: usize = 8;

/// Names of the workers that the caller may see, by identity.
#[derive(Clone, Debug, Default)]
pub struct WorkerNames(HashMap<String, String>);

impl WorkerNames {
    /// Reads them.
    ///
    /// # Errors
    /// Any error of the request.
    pub async fn read(client: &Client) -> Result<Self, Error> {
        let key = client.names().primary_id(Table::Workers).to_owned();
        let query = Query {
            select: vec![key.clone(), "cr_name".to_owned()],
            ..Query::default()
        };
        let mut names = HashMap::new();
        for row in client.page(Table::Workers, &query, None).await?.rows {
            let row = row.object()?;
            let text = |name: &str| row.get(name).and_then(serde_json::Value::as_str);
            if let (Some(id), Some(name)) = (text(&key), text("cr_name")) {
                names.insert(id.to_ascii_lowercase(), name.to_owned());
            }
        }
        Ok(Self(names))
    }

    /// What to call the worker with this identity.
    #[must_use]
    pub fn of(&self, worker: Option<&str>) -> String {
        let Some(id) = worker else {
            return "-".to_owned();
        };
        match self.0.get(&id.to_ascii_lowercase()) {
            Some(name) => name.clone(),
            None => id.chars().take(SHORT_CHARS).collect(),
        }
    }
}
