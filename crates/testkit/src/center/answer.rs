//! Requests to the machine, and its answers with the service's headers.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value, json};
use shraga_dataverse::transport::Body;
use url::Url;
use uuid::Uuid;

use super::clock::{Moment, date, read, written};
use super::machine::{DevBox, Machine, Verb, has_pool, user};
use super::{Asked, Center, Fault, PROJECT, State, judge, render};

/// Requests that one minute may have.
const PER_MINUTE: usize = 300;
/// The window of that limit, in seconds.
const WINDOW: u64 = 60;

/// What becomes of a request.
pub(super) enum Taken {
    Answer(Response<Body>),
    Hang,
    Away(&'static str),
}

/// An answer before it has headers.
struct Said {
    status: u16,
    body: Value,
    text: Option<String>,
    /// The operation that was begun.
    operation: Option<Uuid>,
}

impl Said {
    fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            text: None,
            operation: None,
        }
    }

    fn fault(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, json!({"error": {"code": code, "message": message}}))
    }
}

/// Where and when a request is answered.
struct Desk<'a> {
    now: Moment,
    base: &'a str,
    faults: &'a [Fault],
}

/// Takes a request.
pub(super) fn take(center: &Center, request: &Request<Bytes>) -> Taken {
    let Some(url) = address(request) else {
        return Taken::Away("the request names no host");
    };
    let base = url.origin().ascii_serialization();
    let (now, mut state) = (center.clock.now(), center.state());
    let faults = state.faults.clone();
    state.machine.settle(now, &faults);
    let query = url.query().unwrap_or_default();
    state.asked.push(Asked {
        line: format!("{} {}?{query}", request.method(), url.path()),
        at: now.as_secs(),
        status: None,
    });
    if faults.contains(&Fault::Hangs) {
        return Taken::Hang;
    }
    if let Some(why) = faults.iter().find_map(|fault| match fault {
        Fault::Away(why) => Some(*why),
        _ => None,
    }) {
        return Taken::Away(why);
    }
    let desk = Desk {
        now,
        base: &base,
        faults: &faults,
    };
    let installs = request.method() == Method::PUT && url.path().contains("/customizationGroups/");
    if installs && desk.is(&Fault::LosesWishes) {
        return Taken::Away("the connection was closed");
    }
    let said = desk.answer(&mut state, request, &url);
    if installs && desk.is(&Fault::LosesAnswers) {
        return Taken::Away("the connection was closed before an answer");
    }
    if let Some(last) = state.asked.last_mut() {
        last.status = Some(said.status);
    }
    if url.path().contains("/operationstatuses/") {
        center.clock.advance(state.step);
    }
    Taken::Answer(desk.response(&state, &said))
}

/// The whole address of a request: in process it is absolute, on a socket the host is a header.
fn address(request: &Request<Bytes>) -> Option<Url> {
    let uri = request.uri();
    if uri.host().is_some() {
        return Url::parse(&uri.to_string()).ok();
    }
    let host = request.headers().get("host")?.to_str().ok()?;
    Url::parse(&format!("http://{host}{uri}")).ok()
}

impl Desk<'_> {
    fn is(&self, fault: &Fault) -> bool {
        self.faults.contains(fault)
    }

    fn answer(&self, state: &mut State, request: &Request<Bytes>, url: &Url) -> Said {
        if let Some(refused) = self.at_the_door(state, request) {
            return refused;
        }
        if let Some(objection) = judge::objection(request.method(), url, request.body()) {
            let line = format!("{} {}: {objection}", request.method(), url.path());
            state.objections.push(line);
            return Said::fault(422, "ValidationFailed", &objection);
        }
        let segments: Vec<&str> = url.path_segments().into_iter().flatten().collect();
        let of_project = segments.first() == Some(&"projects") && segments.len() > 1;
        if of_project && (self.is(&Fault::NoProject) || !state.machine.has_project(segments[1])) {
            return Said::fault(404, "ProjectNotFound", "The project was not found.");
        }
        let machine = &mut state.machine;
        match (request.method().as_str(), segments.as_slice()) {
            ("GET", _) => self.look(machine, &segments),
            (_, ["projects", _, "users", owner, "devboxes", rest @ ..]) => {
                let owner = user(owner).unwrap_or_default();
                self.act(
                    machine,
                    (request.method(), owner, rest),
                    url,
                    request.body(),
                )
            }
            _ => Said::fault(404, "NotFound", "There is nothing here."),
        }
    }

    /// What stops a request before anybody looks at what it wants.
    fn at_the_door(&self, state: &State, request: &Request<Bytes>) -> Option<Said> {
        let token = request.headers().get("authorization");
        let has_token = token
            .and_then(|it| it.to_str().ok())
            .is_some_and(|it| it.starts_with("Bearer "));
        if self.is(&Fault::SignIn) || !has_token {
            return Some(Said::fault(
                401,
                "Unauthorized",
                "The token is missing or has expired.",
            ));
        }
        if self.is(&Fault::Denied) {
            let words = "The identity does not have permission to perform this action.";
            return Some(Said::fault(403, "Forbidden", words));
        }
        if self.is(&Fault::Fails) {
            return Some(Said::fault(
                500,
                "InternalServerError",
                "Something went wrong.",
            ));
        }
        let asks_less = self
            .faults
            .iter()
            .any(|it| matches!(it, Fault::Throttles(_)));
        if asks_less || self.recent(state) > PER_MINUTE {
            return Some(Said::fault(429, "TooManyRequests", "Slow down."));
        }
        None
    }

    /// Requests of the last minute, this one included.
    fn recent(&self, state: &State) -> usize {
        let now = self.now.as_secs();
        let asked = state.asked.iter().rev();
        asked.take_while(|it| it.at + WINDOW > now).count()
    }

    fn look(&self, machine: &mut Machine, path: &[&str]) -> Said {
        let page = |value: Vec<Value>| Said::json(200, json!({"value": value}));
        let owned = |machine: &Machine, owner: Option<Uuid>| {
            let theirs = machine
                .boxes
                .iter()
                .filter(|it| owner.is_none_or(|owner| it.user == owner));
            page(theirs.map(|it| render::dev_box(self.base, it)).collect())
        };
        match path {
            ["projects"] if self.is(&Fault::NoProject) => page(Vec::new()),
            ["projects"] => page(vec![render::project(self.base, machine)]),
            ["projects", _] => Said::json(200, render::project(self.base, machine)),
            ["projects", _, "pools"] if self.is(&Fault::NoPool) => page(Vec::new()),
            ["projects", _, "pools"] => page(vec![render::pool(self.base, machine)]),
            ["projects", project, "pools", pool] => match has_pool(project, pool, self.faults) {
                true => Said::json(200, render::pool(self.base, machine)),
                false => Said::fault(404, "PoolNotFound", "The pool was not found."),
            },
            ["projects", _, "customizationTasks"] => page(vec![
                json!({"name": "catalog/powershell", "catalogName": "catalog"}),
            ]),
            ["projects", _, "users", _, "abilities"] => {
                let mut all = vec![
                    "WriteDevBoxes",
                    "ReadDevBoxes",
                    "StartDevBoxes",
                    "StopDevBoxes",
                    "DeleteDevBoxes",
                ];
                if self.is(&Fault::MayNotMake) {
                    all.retain(|it| *it == "ReadDevBoxes");
                }
                Said::json(
                    200,
                    json!({"abilitiesAsAdmin": all, "abilitiesAsDeveloper": all}),
                )
            }
            ["projects", _, "operationstatuses", id] => self.operation(machine, id),
            ["devboxes"] => owned(machine, None),
            ["users", owner, "devboxes"] | ["projects", _, "users", owner, "devboxes"] => {
                owned(machine, Some(user(owner).unwrap_or_default()))
            }
            [
                "projects",
                project,
                "users",
                owner,
                "devboxes",
                name,
                rest @ ..,
            ] => {
                let owner = user(owner).unwrap_or_default();
                let Some(it) = machine.find(project, owner, name) else {
                    return Said::fault(404, "DevBoxNotFound", "The Dev Box was not found.");
                };
                self.look_at(it, rest)
            }
            _ => Said::fault(404, "NotFound", "There is nothing here."),
        }
    }

    /// What belongs to one box.
    fn look_at(&self, it: &DevBox, path: &[&str]) -> Said {
        let page = |value: Vec<Value>| Said::json(200, json!({"value": value}));
        match path {
            [] => Said::json(200, render::dev_box(self.base, it)),
            ["remoteConnection"] => Said::json(200, render::connection(it)),
            ["actions"] => page(vec![render::action(it)]),
            ["customizationGroups"] => {
                let groups = it.groups.iter();
                page(
                    groups
                        .map(|(name, group)| render::group(name, group))
                        .collect(),
                )
            }
            ["customizationGroups", name] => match it.groups.get(*name) {
                Some(group) => Said::json(200, render::group(name, group)),
                None => Said::fault(404, "NotFound", "The group was not found."),
            },
            ["customizationGroups", _, "logs", _] => Said {
                text: Some("installing\nthe agent started\n".to_owned()),
                ..Said::json(200, Value::Null)
            },
            _ => page(Vec::new()),
        }
    }

    fn operation(&self, machine: &Machine, id: &str) -> Said {
        let found = id
            .parse()
            .ok()
            .and_then(|id| Some((id, machine.operations.get(&id)?)));
        match found {
            Some((id, operation)) => Said::json(200, render::operation(id, operation)),
            None => Said::fault(404, "OperationNotFound", "The operation was not found."),
        }
    }

    fn act(
        &self,
        machine: &mut Machine,
        (method, owner, path): (&Method, Uuid, &[&str]),
        url: &Url,
        body: &Bytes,
    ) -> Said {
        let segments = url.path_segments();
        let project = segments.and_then(|mut it| it.nth(1)).unwrap_or(PROJECT);
        let asked = |name: &str| {
            let mut pairs = url.query_pairs();
            pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
        };
        let hibernate = asked("hibernate").as_deref() == Some("true");
        let until = asked("until").and_then(|text| read(&text));
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let (name, verb) = match path {
            [whole] => whole.split_once(':').unwrap_or((whole, "")),
            [name, ..] => (*name, ""),
            [] => ("", ""),
        };
        let found = machine.find(project, owner, name).map(|it| it.id);
        match (method.as_str(), path, found) {
            ("PUT", [_], found) => self.put(machine, (owner, name, found), &body),
            ("DELETE", [_], None) => Said::json(204, Value::Null),
            (_, _, None) => Said::fault(404, "DevBoxNotFound", "The Dev Box was not found."),
            ("DELETE", [_], Some(id)) => self.accepted(machine.delete(self.now, id), machine),
            ("PUT", [_, "customizationGroups", group], Some(id)) => {
                let tasks = body["tasks"].as_array().into_iter().flatten();
                let tasks: Vec<Map<String, Value>> =
                    tasks.filter_map(|it| it.as_object().cloned()).collect();
                machine.customize(self.now, id, group, tasks);
                let it = machine
                    .find(project, owner, name)
                    .and_then(|it| it.groups.get(*group));
                Said::json(200, it.map_or(Value::Null, |it| render::group(group, it)))
            }
            ("POST", [_, delayed], Some(_)) if delayed.ends_with(":delay") => {
                if let Some((it, until)) = machine.find(project, owner, name).zip(until) {
                    it.stop_at = until;
                }
                let result = json!({"name": "schedule-default", "result": "Succeeded"});
                Said::json(200, json!({"value": [result]}))
            }
            ("POST", [_, "actions", _], Some(_)) => {
                let mut it = machine.find(project, owner, name);
                if let Some((it, until)) = it.as_mut().zip(until) {
                    it.stop_at = until;
                }
                Said::json(200, it.map_or(Value::Null, |it| render::action(it)))
            }
            ("POST", [_], Some(id)) => {
                let verb = match verb {
                    "start" => Verb::Start,
                    "stop" => Verb::Stop { hibernate },
                    "restart" => Verb::Restart,
                    _ => Verb::Repair,
                };
                match machine.act(self.now, id, verb) {
                    Some(operation) => self.accepted(operation, machine),
                    None => Said::fault(
                        409,
                        "InvalidState",
                        "The Dev Box is not in a state to do that.",
                    ),
                }
            }
            _ => Said::fault(404, "NotFound", "There is nothing here."),
        }
    }

    fn put(
        &self,
        machine: &mut Machine,
        (owner, name, found): (Uuid, &str, Option<Uuid>),
        body: &Value,
    ) -> Said {
        let pool = body["poolName"].as_str().unwrap_or_default();
        if !has_pool(PROJECT, pool, self.faults) {
            return Said::fault(404, "PoolNotFound", "The pool was not found.");
        }
        if found.is_some() {
            machine.replaced += 1;
            let it = machine.find(PROJECT, owner, name);
            return Said::json(
                200,
                it.map_or(Value::Null, |it| render::dev_box(self.base, it)),
            );
        }
        if self.is(&Fault::MayNotMake) || self.is(&Fault::Misleads) {
            let words = "The identity does not have permission to make Dev Boxes.";
            return Said::fault(403, "Forbidden", words);
        }
        if self.is(&Fault::Refuses) {
            return Said::fault(422, "InvalidDevBox", "The Dev Box can't be made like this.");
        }
        let full = self.is(&Fault::NoRoom);
        let made = if full {
            None
        } else {
            machine.create(self.now, (owner, name, pool))
        };
        let Some(operation) = made else {
            let error =
                json!({"code": "QuotaExceeded", "message": "No more Dev Boxes can be made here."});
            return Said::json(409, json!({"status": "Failed", "error": error}));
        };
        let it = machine.find(PROJECT, owner, name);
        Said {
            operation: Some(operation),
            ..Said::json(
                201,
                it.map_or(Value::Null, |it| render::dev_box(self.base, it)),
            )
        }
    }

    fn accepted(&self, operation: Uuid, machine: &Machine) -> Said {
        let mut body = self.operation(machine, &operation.to_string()).body;
        body["status"] = "NotStarted".into();
        Said {
            operation: Some(operation),
            ..Said::json(202, body)
        }
    }

    fn response(&self, state: &State, said: &Said) -> Response<Body> {
        let recent = self.recent(state);
        let status = StatusCode::from_u16(said.status).expect("a status");
        let mut response = Response::builder()
            .status(status)
            .header("date", date(self.now))
            .header("x-rate-limit-limit", "1m")
            .header(
                "x-rate-limit-remaining",
                PER_MINUTE.saturating_sub(recent).to_string(),
            )
            .header(
                "x-ms-correlation-request-id",
                "8c3f1c5e-0000-4000-8000-000000000000",
            );
        if said.status == 429 {
            let asked = self.faults.iter().find_map(|fault| match fault {
                Fault::Throttles(after) => *after,
                _ => None,
            });
            if let Some(seconds) = asked {
                response = response.header("retry-after", seconds.to_string());
            }
        } else {
            let reset = self.now + std::time::Duration::from_secs(WINDOW);
            response = response.header("x-rate-limit-reset", written(reset));
        }
        if let Some(id) = said.operation {
            let lures = self.is(&Fault::Lures);
            let base = if lures {
                "https://evil.example"
            } else {
                self.base
            };
            let at =
                format!("{base}/projects/{PROJECT}/operationstatuses/{id}?api-version=2025-02-01");
            response = response.header("location", format!("{at}&monitor=true"));
            response = response.header("operation-location", at);
        }
        let mut text = match &said.text {
            Some(text) => text.clone(),
            None if said.status == 204 => String::new(),
            None => said.body.to_string(),
        };
        if self.is(&Fault::Garbles) {
            text.truncate(text.len() / 2);
        }
        let kind = if said.text.is_some() {
            "text/plain"
        } else {
            "application/json"
        };
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
        let response = response
            .header("content-type", kind)
            .body(body.boxed_unsync());
        response.expect("a response")
    }
}
