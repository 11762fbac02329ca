//! What a line looks like, and that nothing in a field gets out of it.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tracing_subscriber::Registry;

use super::*;

static WRITTEN: Mutex<Vec<(std::thread::ThreadId, String)>> = Mutex::new(Vec::new());

fn keep(line: &str) {
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    written.push((std::thread::current().id(), line.to_owned()));
}

/// What `work` logs on this thread.
fn logged(format: LogFormat, work: impl FnOnce()) -> Vec<String> {
    let lines = Registry::default().with(Lines {
        format,
        write: keep,
    });
    tracing::subscriber::with_default(lines, work);
    let me = std::thread::current().id();
    let written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mine = written.iter().filter(|(thread, _)| *thread == me);
    mine.map(|(_, line)| line.clone()).collect()
}

const HOSTILE: &str = "a\r\n2026-01-01T00:00:00Z ERROR forged\x1b[2J\u{9b}31m\u{2028}\u{7f}";

fn hostile_event() {
    let span = tracing::info_span!("attempt", task.id = "t-1", attempt = 2);
    let _inside = span.enter();
    tracing::info!(worker.name = HOSTILE, "told: {HOSTILE}");
}

#[test]
fn a_line_for_people_stays_one_line_whatever_its_fields_hold() {
    let lines = logged(LogFormat::Human, hostile_event);
    let line = anstream::adapter::strip_str(&lines[0]).to_string();
    assert_eq!(lines.len(), 1);
    assert_eq!(line.lines().count(), 1, "{line:?}");
    assert!(line.ends_with('\n'));
    assert!(!line.trim_end().contains(char::is_control), "{line:?}");
    assert!(
        line.contains("task.id=t-1 attempt=2 worker.name=\"a"),
        "{line}"
    );
}

#[test]
fn a_line_for_machines_is_one_object_that_gives_every_character_back() {
    let lines = logged(LogFormat::Json, hostile_event);
    assert_eq!(lines.len(), 1);
    let text = lines[0].strip_suffix('\n').unwrap();
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(!text.contains('\u{2028}'));
    let object: Value = serde_json::from_str(text).unwrap();
    assert_eq!(object["worker.name"], HOSTILE);
    assert_eq!(object["message"], format!("told: {HOSTILE}"));
    assert_eq!(object["task.id"], "t-1");
    assert_eq!(object["attempt"], 2);
    assert_eq!(object["level"], "info");
    assert_eq!(object["spans"], serde_json::json!(["attempt"]));
    let at = object["time"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.contains('.'), "{at}");
}

#[test]
fn an_inner_field_counts_and_no_field_takes_a_standing_name() {
    let lines = logged(LogFormat::Json, || {
        let span = tracing::info_span!("outer", step = "first", late = tracing::field::Empty);
        span.record("late", true);
        let _inside = span.enter();
        tracing::warn!(step = "second", level = "mine", ratio = 0.5, "look");
    });
    let object: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(object["step"], "second");
    assert_eq!(object["late"], true);
    assert_eq!(object["level"], "warn");
    assert_eq!(object["field.level"], "mine");
    assert_eq!(object["ratio"], 0.5);
}

#[test]
fn an_error_is_logged_with_its_causes_and_a_long_text_is_cut() {
    let lines = logged(LogFormat::Json, || {
        let error = Failure::new(Exit::Failed, "inner").context("outer").error;
        let error: &(dyn std::error::Error + 'static) = error.as_ref();
        tracing::error!(error, page = "x".repeat(10_000), "it failed");
    });
    let object: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(object["error"], "outer: inner");
    let page = object["page"].as_str().unwrap();
    assert!(page.len() < 3_000 && page.ends_with('…'));
}
