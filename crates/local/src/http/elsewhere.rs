//! What is neither row nor batch: the service document, WhoAmI, definitions, bulk deletes.

use http::Method;
use serde_json::{Value, json};
use shraga_wire::fault::Fault;
use uuid::Uuid;

use crate::http::answer::{Answer, Content};
use crate::http::base::Base;
use crate::http::call::Call;
use crate::http::path::{self, Definitions, Resource};
use crate::http::rows::Planned;
use crate::http::rows::body::not_json;
use crate::http::{App, metadata};
use crate::ops::{Key, Match, Principal, Unit, WriteKind, WriteOp};
use crate::store::Continue;

impl App {
    /// Carries out a call that is no matter of rows.
    pub(crate) async fn elsewhere(&self, who: &Principal, base: &Base, call: &Call<'_>) -> Answer {
        let resource = match path::parse(call.path) {
            Ok(resource) => resource,
            Err(fault) => return fault.into(),
        };
        let done = match resource {
            Resource::ServiceDocument => get_only(call, || self.service_document(base)),
            Resource::Csdl => get_only(call, || self.csdl()),
            Resource::WhoAmI => get_only(call, || self.who_am_i(who, base)),
            Resource::Definitions(what) => self.definitions(who, base, call, &what).await,
            Resource::CreateEntities => {
                let plan = || metadata::change::create_entities(call);
                self.schema_action(who, call, plan).await
            }
            Resource::InsertOptionValue => {
                let schema = self.store.schema();
                let plan = || metadata::change::insert_option(&schema, call);
                self.schema_action(who, call, plan).await
            }
            Resource::BulkDelete => self.bulk_delete(who, call).await,
            Resource::InForce => Ok(if *call.method == Method::POST {
                Answer::no_content()
            } else {
                Answer::not_allowed(call.method, "an action", "POST")
            }),
            Resource::Unsupported(name) => Err(Fault::not_supported(&name)),
            Resource::Batch
            | Resource::Rows(_)
            | Resource::Count(_)
            | Resource::Row(_)
            | Resource::Property(..)
            | Resource::Link(..)
            | Resource::Bulk(..) => Err(Fault::unexpected("This call is not carried out here.")),
        };
        done.unwrap_or_else(Answer::from)
    }

    fn service_document(&self, base: &Base) -> Result<Answer, Fault> {
        let sets: Vec<_> = self
            .store
            .schema()
            .tables()
            .iter()
            .map(|table| &table.def.set)
            .map(|set| json!({"name": set, "kind": "EntitySet", "url": set}))
            .collect();
        let context = format!("{}$metadata", base.url());
        let body = json!({"@odata.context": context, "value": sets});
        Ok(Answer::json(200, body.to_string()))
    }

    fn csdl(&self) -> Result<Answer, Fault> {
        let document = metadata::csdl::document(&self.store.schema())
            .map_err(|wrong| Fault::unexpected(format!("$metadata can't be written: {wrong}")))?;
        Ok(Answer {
            status: 200,
            content: Content::Xml,
            body: document.into(),
            ..Answer::default()
        })
    }

    fn who_am_i(&self, who: &Principal, base: &Base) -> Result<Answer, Fault> {
        let context = format!(
            "{}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse",
            base.url()
        );
        let body = json!({
            "@odata.context": context,
            "BusinessUnitId": self.store.business_unit_id(),
            "UserId": who.user,
            "OrganizationId": self.store.organization_id(),
        });
        Ok(Answer::json(200, body.to_string()))
    }

    async fn definitions(
        &self,
        who: &Principal,
        base: &Base,
        call: &Call<'_>,
        what: &Definitions<'_>,
    ) -> Result<Answer, Fault> {
        let allow = metadata::change::allowed(what);
        if !allow
            .split(", ")
            .any(|method| method == call.method.as_str())
        {
            return Ok(Answer::not_allowed(call.method, "these definitions", allow));
        }
        let schema = self.store.schema();
        match metadata::change::plan(&schema, base, call, what)? {
            None => metadata::read(&schema, base, call, what),
            Some(planned) => {
                self.store.alter(who, planned.change).await?;
                Ok(planned.answer)
            }
        }
    }

    /// Carries out an action that changes definitions.
    async fn schema_action(
        &self,
        who: &Principal,
        call: &Call<'_>,
        plan: impl FnOnce() -> Result<metadata::change::Planned, Fault>,
    ) -> Result<Answer, Fault> {
        if *call.method != Method::POST {
            return Ok(Answer::not_allowed(call.method, "an action", "POST"));
        }
        let planned = plan()?;
        self.store.alter(who, planned.change).await?;
        Ok(planned.answer)
    }

    /// `BulkDelete` of rows named by primary key. It is done at once; rows that can't be deleted are
    /// passed over, as the job of the real service does.
    async fn bulk_delete(&self, who: &Principal, call: &Call<'_>) -> Result<Answer, Fault> {
        if *call.method != Method::POST {
            return Ok(Answer::not_allowed(call.method, "an action", "POST"));
        }
        let body: Value = serde_json::from_slice(call.body).map_err(|wrong| not_json(&wrong))?;
        let units = {
            let schema = self.store.schema();
            let queries = body["QuerySet"].as_array().map_or(&[][..], Vec::as_slice);
            if queries.is_empty() {
                return Err(Fault::invalid_argument(
                    "QuerySet must hold at least one query.",
                ));
            }
            let mut units = Vec::new();
            for query in queries {
                let logical = query["EntityName"].as_str().unwrap_or_default();
                let table = schema.by_logical(logical).ok_or_else(|| {
                    Fault::invalid_argument(format!("There is no table '{logical}'."))
                })?;
                for id in listed_ids(query, &table.def.primary_id)? {
                    units.push(Unit {
                        ops: vec![WriteOp {
                            table: table.clone(),
                            key: Key::Id(id),
                            kind: WriteKind::Delete(Match::Any),
                            cells: Vec::new(),
                            returning: None,
                        }],
                    });
                }
            }
            units
        };
        self.store.write(who, units, Continue::OnError).await;
        Ok(Answer::json(
            200,
            json!({"JobId": Uuid::now_v7()}).to_string(),
        ))
    }
}

/// The primary keys that a query lists, the one form of query that is supported here.
fn listed_ids(query: &Value, primary_id: &str) -> Result<Vec<Uuid>, Fault> {
    let unsupported = || {
        Fault::not_supported(&format!(
            "BulkDelete by anything but one In condition on the primary key '{primary_id}'"
        ))
    };
    let criteria = &query["Criteria"];
    let conditions = criteria["Conditions"].as_array().ok_or_else(unsupported)?;
    let [condition] = conditions.as_slice() else {
        return Err(unsupported());
    };
    let plain = condition["AttributeName"] == primary_id
        && condition["Operator"] == "In"
        && criteria["Filters"].as_array().is_none_or(Vec::is_empty)
        && query["LinkEntities"].as_array().is_none_or(Vec::is_empty);
    let values = condition["Values"]
        .as_array()
        .filter(|_| plain)
        .ok_or_else(unsupported)?;
    values
        .iter()
        .map(|value| {
            let text = value["Value"].as_str().or_else(|| value.as_str());
            path::guid(text.unwrap_or_default())
        })
        .collect()
}

fn get_only(
    call: &Call<'_>,
    answer: impl FnOnce() -> Result<Answer, Fault>,
) -> Result<Answer, Fault> {
    if *call.method == Method::GET {
        answer()
    } else {
        Ok(Answer::not_allowed(call.method, "this resource", "GET"))
    }
}

impl App {
    /// Carries out a call for rows that came alone.
    pub(crate) async fn rows(&self, who: &Principal, base: &Base, planned: Planned) -> Answer {
        match planned {
            Planned::Answer(answer) => answer,
            Planned::Read(op, shape) => {
                let mut answers = self.store.read(who, vec![op]).await;
                shape.answer(answers.pop().unwrap_or_else(|| Err(no_answer())))
            }
            Planned::Write(op, shape) => match self.write(who, Unit { ops: vec![op] }).await {
                Ok(written) => match written.into_iter().next() {
                    Some(written) => shape.answer(base, written),
                    None => no_answer().into(),
                },
                Err(unit) => unit.fault.into(),
            },
            Planned::Bulk(unit, shape) => shape.answer(self.write(who, unit).await),
        }
    }

    async fn write(
        &self,
        who: &Principal,
        unit: Unit,
    ) -> Result<Vec<crate::ops::Written>, crate::store::UnitFault> {
        let mut done = self
            .store
            .write(who, vec![unit], Continue::StopAtFirst)
            .await;
        done.pop().unwrap_or_else(|| {
            Err(crate::store::UnitFault {
                op: 0,
                fault: no_answer(),
            })
        })
    }
}

fn no_answer() -> Fault {
    Fault::unavailable("The store gave no answer; it is stopping.")
}
