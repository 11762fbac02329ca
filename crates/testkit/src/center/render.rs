//! The machine's state as the service's JSON, with its oddities: `powerState` is `null` until a box is made.

use serde_json::{Value, json};
use uuid::Uuid;

use super::clock::written;
use super::machine::{DevBox, Group, Life, Machine, Operation};
use super::{POOL, PROJECT};

/// `provisioningState` and `powerState`.
pub(super) fn states(it: &DevBox) -> (&'static str, Option<&'static str>) {
    let off = |hibernated| {
        if hibernated {
            "Hibernated"
        } else {
            "Deallocated"
        }
    };
    let (provisioning, power) = match it.life {
        Life::Creating => ("Creating", None),
        Life::Running => ("Succeeded", Some("Running")),
        Life::Starting => ("Starting", Some("Hibernated")),
        Life::Restarting | Life::Repairing => ("Updating", Some("Running")),
        Life::Stopping { .. } => ("Stopping", Some("Running")),
        Life::Off { hibernated } => ("Succeeded", Some(off(hibernated))),
        Life::Deleting => ("Deleting", Some("Unknown")),
        Life::Failed => ("Failed", None),
    };
    let power = power.filter(|_| !it.is_powerless());
    (it.unheard().unwrap_or(provisioning), power)
}

pub(super) fn dev_box(base: &str, it: &DevBox) -> Value {
    let (provisioning, power) = states(it);
    let action = match it.life {
        Life::Off { .. } => "Stopped",
        Life::Running => "Started",
        _ => "Unknown",
    };
    let path = format!(
        "{base}/projects/{}/users/{}/devboxes/{}",
        it.project, it.user, it.name
    );
    json!({
        "uri": path,
        "name": it.name,
        "projectName": it.project,
        "poolName": it.pool,
        "hibernateSupport": "Enabled",
        "provisioningState": provisioning,
        "actionState": action,
        "powerState": power,
        "uniqueId": it.id,
        "error": it.error.map(|(code, message)| json!({"code": code, "message": message})),
        "location": "canadacentral",
        "osType": "Windows",
        "user": it.user,
        "hardwareProfile": {"vCPUs": 8, "skuName": "general_a_8c32gb1024ssd_v2", "memoryGB": 32},
        "storageProfile": {"osDisk": {"diskSizeGB": 1024}},
        "createdTime": written(it.created),
        "localAdministrator": "Enabled",
    })
}

pub(super) fn project(base: &str, machine: &Machine) -> Value {
    json!({
        "uri": format!("{base}/projects/{PROJECT}"),
        "name": PROJECT,
        "description": "",
        "maxDevBoxesPerUser": machine.boxes_per_person,
    })
}

pub(super) fn pool(base: &str, machine: &Machine) -> Value {
    json!({
        "uri": format!("{base}/projects/{PROJECT}/pools/{POOL}"),
        "name": POOL,
        "location": "canadacentral",
        "healthStatus": machine.pool_health,
        "hibernateSupport": "Enabled",
        "stopOnDisconnect": {"status": if machine.stops_unconnected { "Enabled" } else { "Disabled" }},
        "stopOnNoConnect": {"status": if machine.stops_unconnected { "Enabled" } else { "Disabled" }},
    })
}

pub(super) fn operation(id: Uuid, it: &Operation) -> Value {
    let mut body = json!({
        "id": format!("/projects/{}/operationStatuses/{id}", it.project),
        "name": id,
        "status": it.state,
        "startTime": written(it.began),
    });
    if let Some(ended) = it.ended {
        body["endTime"] = written(ended).into();
    }
    if it.state == "Failed" {
        body["error"] =
            json!({"code": "ProvisioningFailed", "message": "The image could not be applied."});
    }
    body
}

pub(super) fn group(name: &str, it: &Group) -> Value {
    let tasks = it.tasks.iter().map(|(id, task)| {
        let mut task = task.clone();
        task.insert("id".to_owned(), json!(id));
        task.insert("status".to_owned(), it.task_state.into());
        Value::Object(task)
    });
    let tasks: Vec<Value> = tasks.collect();
    json!({"name": name, "status": it.state, "tasks": tasks})
}

pub(super) fn action(it: &DevBox) -> Value {
    json!({
        "name": "schedule-default",
        "actionType": "Stop",
        "suspendedUntil": written(it.stop_at),
        "next": {"scheduledTime": written(it.stop_at)},
    })
}

pub(super) fn connection(it: &DevBox) -> Value {
    json!({
        "webUrl": format!("https://devbox.example/connect?devbox={}", it.id),
        "rdpConnectionUrl": format!("ms-avd:connect?resourceid={}&username=ann%40example.org", it.id),
    })
}
