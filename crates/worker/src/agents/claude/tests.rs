//! How Claude Code is called, and what its lines mean. The lines are what version 2.1 prints, cut to
//! the members that are read.

use jiff::tz::TimeZone;
use shraga_core::time::Timestamp;
use shraga_core::worker::Until;

use super::read::Reader;
use super::*;
use crate::agents::failures::{At, Failure};
use crate::agents::tests::job;
use crate::agents::{Resume, Session};
use crate::config::Kind;

const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"s1","model":"claude-opus","claude_code_version":"2.1.197"}"#;

fn claude() -> Claude {
    Claude {
        model: Some("opus".to_owned()),
        permission_mode: "acceptEdits".to_owned(),
        allowed_tools: vec!["Bash(git:*)".to_owned(), "Edit".to_owned()],
        max_turns: Some(9),
    }
}

fn agent() -> Command {
    Command {
        program: vec!["claude".to_owned()],
        env: vec!["ANTHROPIC_API_KEY".to_owned()],
        kind: Kind::Claude(claude()),
        ..Command::default()
    }
}

fn reader() -> Reader {
    Reader::new(At {
        now: "2026-11-22T20:00:00Z".parse().unwrap(),
        zone: TimeZone::UTC,
    })
}

fn read(lines: &[&str]) -> (Reader, Vec<String>) {
    let (mut reader, mut told) = (reader(), Vec::new());
    for line in lines {
        reader.line(line, &mut |line| told.push(line.to_owned()));
    }
    (reader, told)
}

#[test]
fn the_prompt_is_on_standard_input_and_only_named_variables_are_seen() {
    let job = job("the secret plan");
    let program = program(&job, &agent(), &claude(), false);
    let line = program.argv.join(" ");
    for part in [
        "claude -p --output-format stream-json --verbose",
        "--permission-mode acceptEdits --allowedTools Bash(git:*),Edit --model opus --max-turns 9",
        "--session-id new",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!line.contains("secret plan") && !line.contains("the frame"));
    let stdin = String::from_utf8(program.stdin).unwrap();
    assert!(stdin.starts_with("the secret plan\n") && stdin.contains("the frame"));
    assert_eq!(program.env["ANTHROPIC_API_KEY"], "key");
    assert!(!program.env.contains_key("DATAVERSE_TOKEN"));
    assert_eq!(program.env["DISABLE_AUTOUPDATER"], "1");
}

#[test]
fn a_session_is_resumed_with_what_is_new_and_the_smaller_limit_of_turns_holds() {
    let mut job = job("all of it");
    job.turns = Some(4);
    job.resume = Some(Resume {
        session: Session::named("s0"),
        prompt: "only the news".to_owned(),
    });
    let resumed = program(&job, &agent(), &claude(), false);
    let line = resumed.argv.join(" ");
    assert!(
        line.ends_with("--resume s0") && line.contains("--max-turns 4"),
        "{line}"
    );
    assert!(resumed.stdin.starts_with(b"only the news"));
    let fresh = program(&job, &agent(), &claude(), true);
    assert!(!fresh.argv.contains(&"s0".to_owned()));
    assert!(fresh.stdin.starts_with(b"all of it"));
}

#[test]
fn instructions_of_the_folders_above_the_workspace_are_not_its() {
    let mut job = job("x");
    job.dir = "/home/ann/project/.shraga/work".into();
    job.environment = std::sync::Arc::new([("HOME".to_owned(), "/home/ann".to_owned())].into());
    let line = program(&job, &agent(), &claude(), false).argv.join(" ");
    assert!(line.contains("\"/home/ann/project/CLAUDE.md\""), "{line}");
    assert!(
        line.contains("\"/home/ann/project/.claude/CLAUDE.md\""),
        "{line}"
    );
    // What the worker's own user told all sessions stays.
    assert!(!line.contains("\"/home/ann/.claude/CLAUDE.md\""), "{line}");
    assert!(!line.contains("work/CLAUDE.md"), "{line}");
}

#[test]
fn people_see_text_and_tools_and_the_rest_is_counted() {
    let (reader, told) = read(&[
        INIT,
        r#"{"type":"stream_event","event":{"type":"message_start","message":{"id":"m1","usage":{"input_tokens":100,"output_tokens":1,"cache_read_input_tokens":7}}},"parent_tool_use_id":null}"#,
        r#"{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"text_delta","text":"let"}}}"#,
        r#"{"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"let me see\n"}],"usage":{"input_tokens":100,"output_tokens":1}},"parent_tool_use_id":null}"#,
        r#"{"type":"assistant","message":{"id":"m1","content":[{"type":"tool_use","name":"Bash","input":{"command":"make\n  all"}}],"usage":{"input_tokens":100,"output_tokens":1}},"parent_tool_use_id":null}"#,
        r#"{"type":"stream_event","event":{"type":"message_delta","usage":{"output_tokens":20}},"parent_tool_use_id":null}"#,
        r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"Exit code 2\nno rule","is_error":true}]}}"#,
        r#"{"type":"something_new","of":"next year"}"#,
        "a line that is no JSON",
    ]);
    assert_eq!(
        told,
        [
            "[Claude Code 2.1.197, claude-opus, session s1]",
            "let me see",
            "> Bash: make all",
            "< failed: Exit code 2 no rule",
            "a line that is no JSON",
        ]
    );
    let usage = reader.heard().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (100, 20));
    assert_eq!(
        (usage.cache_read_tokens, usage.turns, usage.cost_micros),
        (7, 1, None)
    );
    assert!(reader.heard().end.is_none());
    assert!(reader.heard().transcript.text().contains("< no rule"));
}

#[test]
fn the_last_word_tells_result_cost_and_usage_of_all_models() {
    let (reader, _) = read(&[
        INIT,
        r#"{"type":"result","subtype":"success","is_error":false,"num_turns":2,"result":"done","session_id":"s2","total_cost_usd":0.0021,"usage":{"input_tokens":1},"modelUsage":{"a":{"inputTokens":200,"outputTokens":40},"b":{"inputTokens":5,"cacheReadInputTokens":3}},"structured_output":{"verdict":"pass"},"permission_denials":[]}"#,
    ]);
    let heard = reader.heard();
    assert_eq!(
        (heard.result.as_str(), heard.end.clone()),
        ("done", Some(Ok(())))
    );
    assert_eq!(heard.session.as_deref(), Some("s2"));
    assert_eq!(heard.structured.as_deref(), Some(r#"{"verdict":"pass"}"#));
    let usage = heard.usage;
    assert_eq!(
        (
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_tokens
        ),
        (205, 40, 3)
    );
    assert_eq!((usage.turns, usage.cost_micros), (2, Some(2_100)));
}

#[test]
fn a_result_with_refused_permissions_is_no_success() {
    let (reader, _) = read(&[
        r#"{"type":"result","subtype":"success","is_error":false,"result":"done","permission_denials":[{"tool_name":"Bash","tool_input":{"command":"curl http://example.com"}},{"tool_name":"Task","tool_input":{}}]}"#,
    ]);
    let refused = ["Bash(curl http://example.com)", "Task"].map(str::to_owned);
    let failure = Failure::PermissionRefused(refused.to_vec());
    assert_eq!(reader.heard().end, Some(Err(failure)));
}

#[test]
fn a_limit_of_the_account_is_told_with_its_end() {
    let (reader, told) = read(&[
        r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795384899,"rateLimitType":"five_hour"}}"#,
        r#"{"type":"assistant","message":{"id":"x","content":[{"type":"text","text":"You've hit your session limit · resets 10:01pm (UTC)"}]},"error":"rate_limit"}"#,
        r#"{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"You've hit your session limit · resets 10:01pm (UTC)"}"#,
    ]);
    let until = Until::At(Timestamp::from_secs(1_795_384_899));
    assert_eq!(
        reader.heard().end,
        Some(Err(Failure::UsageLimit(Some(until))))
    );
    assert_eq!(told[0], "[the account's five hour limit is reached]");
}

#[test]
fn failures_are_told_apart_by_the_codes_that_the_program_gives() {
    let cases = [
        (
            "rate_limit",
            "429",
            "API Error: Request rejected (429) · too much",
            Failure::RateLimited(None),
        ),
        (
            "server_error",
            "529",
            "API Error: 529 Overloaded.",
            Failure::Overloaded,
        ),
        (
            "authentication_failed",
            "401",
            "Invalid API key",
            Failure::NotSignedIn,
        ),
        (
            "billing_error",
            "400",
            "Credit balance is too low",
            Failure::NoCredit,
        ),
        (
            "invalid_request",
            "400",
            "Prompt is too long",
            Failure::ContextFull,
        ),
        (
            "invalid_request",
            "400",
            "tools.0: bad",
            Failure::RequestRefused,
        ),
        (
            "model_not_found",
            "404",
            "There's an issue with the selected model (x).",
            Failure::NoModel,
        ),
        (
            "max_output_tokens",
            "null",
            "API Error: Claude's response exceeded",
            Failure::Other,
        ),
    ];
    for (name, status, words, meant) in cases {
        let assistant =
            format!(r#"{{"type":"assistant","message":{{"content":[]}},"error":"{name}"}}"#);
        let result = format!(
            r#"{{"type":"result","subtype":"success","is_error":true,"api_error_status":{status},"result":"{words}"}}"#
        );
        let (reader, _) = read(&[&assistant, &result]);
        assert_eq!(reader.heard().end, Some(Err(meant)), "{name}");
    }
    let turns = r#"{"type":"result","subtype":"error_max_turns","is_error":true,"errors":["Reached maximum number of turns (2)"]}"#;
    assert_eq!(
        read(&[turns]).0.heard().end,
        Some(Err(Failure::TurnsUsedUp))
    );
    let gone = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["No conversation found with session ID: 1"]}"#;
    assert_eq!(read(&[gone]).0.heard().end, Some(Err(Failure::NoSession)));
}

#[test]
fn a_hook_hands_over_notices_only_where_there_is_a_budget() {
    let mut job = job("x");
    let settings = |job: &PhaseJob| -> serde_json::Value {
        let argv = program(job, &agent(), &claude(), false).argv;
        let at = argv.iter().position(|it| it == "--settings").unwrap();
        serde_json::from_str(&argv[at + 1]).unwrap()
    };
    assert_eq!(settings(&job).get("hooks"), None);
    job.env = vec![(NOTICE_FILE.to_owned(), "/x/notice.json".to_owned())];
    let hook = &settings(&job)["hooks"]["PostToolUse"][0];
    assert_eq!(hook["matcher"], "*");
    assert!(
        hook["hooks"][0]["command"]
            .as_str()
            .unwrap()
            .contains(NOTICE_FILE)
    );
}

#[cfg(unix)]
#[tokio::test]
async fn the_hook_hands_a_notice_over_once_and_never_fails() {
    let folder = tempfile::tempdir().unwrap();
    let notice = folder.path().join("it's a notice.json");
    std::fs::write(&notice, "{}").unwrap();
    let mut env: std::collections::BTreeMap<_, _> =
        [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
    env.insert(NOTICE_FILE.to_owned(), notice.display().to_string());
    let deadline = std::time::Duration::from_secs(60);
    for handed in ["{}", ""] {
        let hook = ["sh", "-c", HOOK];
        let said = shraga_process::run_tool(&hook, folder.path(), env.clone(), deadline).await;
        assert_eq!(said.unwrap(), handed);
    }
}
