//! How Codex is called, and what its lines mean. The lines are what version 0.169 prints.

use jiff::tz::TimeZone;

use super::read::Reader;
use super::*;
use crate::agents::failures::{At, Failure};
use crate::agents::tests::job;
use crate::agents::{Resume, Session};
use shraga_core::usage::Usage;

fn codex() -> Codex {
    Codex {
        model: None,
        sandbox: "workspace-write".to_owned(),
    }
}

fn agent() -> Command {
    Command {
        program: vec!["codex".to_owned()],
        ..Command::default()
    }
}

fn read(lines: &[&str]) -> (Reader, Vec<String>) {
    read_of(Usage::NONE, lines)
}

/// Of a program that goes on with a session of which this was told.
fn read_of(before: Usage, lines: &[&str]) -> (Reader, Vec<String>) {
    let at = At {
        now: "2026-11-22T20:00:00Z".parse().unwrap(),
        zone: TimeZone::UTC,
    };
    let mut reader = Reader::new(at, before);
    let mut told = Vec::new();
    for line in lines {
        reader.line(line, &mut |line| told.push(line.to_owned()));
    }
    (reader, told)
}

#[test]
fn the_prompt_is_on_standard_input_also_when_a_session_is_resumed() {
    let mut job = job("the secret plan");
    let begun = program(&job, &agent(), &codex(), false);
    let line = begun.argv.join(" ");
    assert!(
        line.starts_with(
            "codex exec --json --skip-git-repo-check -c sandbox_mode=\"workspace-write\""
        ),
        "{line}"
    );
    assert!(
        line.ends_with(" -") && !line.contains("secret plan"),
        "{line}"
    );
    assert!(begun.stdin.starts_with(b"the secret plan\n"));
    job.resume = Some(Resume {
        session: Session::named("t0"),
        prompt: "the news".to_owned(),
    });
    let resumed = program(&job, &agent(), &codex(), false);
    let line = resumed.argv.join(" ");
    assert!(
        line.starts_with("codex exec resume --json") && line.ends_with(" t0 -"),
        "{line}"
    );
    assert!(resumed.stdin.starts_with(b"the news"));
}

#[test]
fn people_see_text_and_commands_and_the_usage_is_counted() {
    let (reader, told) = read(&[
        r#"{"type":"thread.started","thread_id":"t1"}"#,
        r#"{"type":"turn.started"}"#,
        r#"{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"first"}}"#,
        r#"{"type":"item.started","item":{"id":"item_2","type":"command_execution","command":"/bin/bash -lc 'false'","aggregated_output":"","exit_code":null,"status":"in_progress"}}"#,
        r#"{"type":"item.completed","item":{"id":"item_2","type":"command_execution","command":"/bin/bash -lc 'false'","aggregated_output":"no\n","exit_code":1,"status":"failed"}}"#,
        r#"{"type":"item.completed","item":{"id":"item_3","type":"agent_message","text":"done"}}"#,
        r#"{"type":"turn.completed","usage":{"input_tokens":200,"cached_input_tokens":20,"cache_write_input_tokens":0,"output_tokens":40,"reasoning_output_tokens":10}}"#,
    ]);
    assert_eq!(
        told,
        [
            "[Codex, session t1]",
            "first",
            "> shell: /bin/bash -lc 'false'",
            "< failed: no",
            "done"
        ]
    );
    let heard = reader.heard();
    assert_eq!(
        (heard.result.as_str(), heard.end.clone()),
        ("done", Some(Ok(())))
    );
    let usage = heard.usage;
    assert_eq!(
        (
            usage.input_tokens,
            usage.cache_read_tokens,
            usage.output_tokens
        ),
        (180, 20, 40)
    );
    assert_eq!(usage.cost_micros, None);
}

#[test]
fn a_resumed_session_counts_what_this_program_used_of_what_is_told_of_all_of_it() {
    let turn = |read, cached, written| {
        format!(
            r#"{{"type":"turn.completed","usage":{{"input_tokens":{read},"cached_input_tokens":{cached},"output_tokens":{written}}}}}"#
        )
    };
    let thread = r#"{"type":"thread.started","thread_id":"t1"}"#;
    let (first, _) = read(&[thread, &turn(200, 20, 40)]);
    let told = first.heard().told;
    assert_eq!((told.tokens(), first.heard().usage.tokens()), (240, 240));
    let (second, _) = read_of(told, &[thread, &turn(500, 120, 70)]);
    let usage = second.heard().usage;
    let counted = (
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.output_tokens,
    );
    assert_eq!((counted, usage.turns), ((200, 100, 30), 1));
    let told = second.heard().told;
    assert_eq!((told.tokens(), told.turns), (570, 2));
    // One that ends before it tells anything leaves what was told as it was.
    assert_eq!(read_of(told, &[thread]).0.heard().told, told);
}

#[test]
fn a_failed_turn_says_why() {
    let (reader, told) = read(&[
        r#"{"type":"error","message":"Reconnecting... 1/1 (exceeded retry limit, last status: 429 Too Many Requests)"}"#,
        r#"{"type":"turn.failed","error":{"message":"exceeded retry limit, last status: 429 Too Many Requests"}}"#,
    ]);
    assert_eq!(reader.heard().end, Some(Err(Failure::RateLimited(None))));
    assert_eq!(told.len(), 1);
}
