//! What real programs printed, and what it means.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use shraga_core::time::Timestamp as Moment;

use super::*;

/// 2026-11-22 20:00 in UTC.
fn at() -> At {
    At {
        now: "2026-11-22T20:00:00Z".parse::<Timestamp>().unwrap(),
        zone: TimeZone::UTC,
    }
}

fn after(minutes: i64) -> Option<Until> {
    Some(Until::After(Span::mins(minutes)))
}

/// Checks what each of these words means.
fn means(cases: &[(&str, Failure)]) {
    for (words, meant) in cases {
        assert_eq!(by_words(words, &at()), Some(meant.clone()), "{words}");
    }
}

/// Printed by Claude Code 2.1 and Codex 0.169, but for those that say otherwise.
#[test]
fn words_of_vendors_who_ask_to_wait_mean_what_they_say() {
    means(&[
        (
            "You've hit your session limit · resets 10:01pm (UTC)",
            Failure::UsageLimit(after(122)),
        ),
        (
            "You've hit your weekly limit · resets Nov 27, 11:08am (UTC)",
            Failure::UsageLimit(after(4 * 1440 + 15 * 60 + 9)),
        ),
        (
            "You’ve hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro), visit https://chatgpt.com/settings/usage to purchase more credits or try again at 10:02 PM.",
            Failure::UsageLimit(after(123)),
        ),
        (
            "Claude AI usage limit reached|1795400000",
            Failure::UsageLimit(Some(Until::At(Moment::from_secs(1_795_400_000)))),
        ), // earlier versions
        (
            "API Error: Request rejected (429) · This request would exceed your rate limit",
            Failure::RateLimited(None),
        ),
        (
            "exceeded retry limit, last status: 429 Too Many Requests",
            Failure::RateLimited(None),
        ),
        (
            "rate limit exceeded: Rate limit reached for gpt-5. Please try again in 1.5s.",
            Failure::RateLimited(Some(Until::After(Span::millis(2_500)))),
        ),
        (
            "API Error: 529 Overloaded. This is a server-side issue, usually temporary — try again in a moment.",
            Failure::Overloaded,
        ),
        (
            "API Error: 500 Internal server error. This is a server-side issue, usually temporary — try again in a moment.",
            Failure::Overloaded,
        ),
        (
            "Selected model is at capacity. Please try a different model.",
            Failure::Overloaded,
        ),
        (
            "We’re currently experiencing high demand, which may cause temporary errors.",
            Failure::Overloaded,
        ),
    ]);
}

/// Printed by Claude Code 2.1 and Codex 0.169, but for those that say otherwise.
#[test]
fn words_of_vendors_who_refuse_mean_what_they_say() {
    means(&[
        (
            "Invalid API key · Fix external API key",
            Failure::NotSignedIn,
        ),
        ("Not logged in · Please run /login", Failure::NotSignedIn),
        (
            "Failed to authenticate. API Error: 401 OAuth token has expired",
            Failure::NotSignedIn,
        ),
        (
            "Failed to authenticate. API Error: 403 Your organization has been disabled",
            Failure::NotSignedIn,
        ),
        (
            "unexpected status 401 Unauthorized: Incorrect API key provided: dummy., url: http://127.0.0.1:1/v1/responses",
            Failure::NotSignedIn,
        ),
        ("Credit balance is too low", Failure::NoCredit),
        (
            "Quota exceeded. Check your plan and billing details.",
            Failure::NoCredit,
        ),
        (
            "Prompt is too long · the request is ~210000 tokens (limit 200000) but this conversation is only ~1537 tokens",
            Failure::ContextFull,
        ),
        (
            "Codex ran out of room in the model's context window. Start a new thread or clear earlier history before retrying.",
            Failure::ContextFull,
        ),
        (
            "There's an issue with the selected model (claude-nope). It may not exist or you may not have access to it. Run --model to pick a different model.",
            Failure::NoModel,
        ),
        (
            "The model `gpt-nope` does not exist or you do not have access to it.",
            Failure::NoModel,
        ),
        (
            "API Error: Claude Code is unable to respond to this request, which appears to violate our Usage Policy (https://www.anthropic.com/legal/aup).",
            Failure::RequestRefused,
        ),
        (
            "No conversation found with session ID: 11111111-1111-1111-1111-111111111111",
            Failure::NoSession,
        ),
        (
            "Error: thread/resume: thread/resume failed: no rollout found for thread id 11111111-1111-1111-1111-111111111111 (code -32600)",
            Failure::NoSession,
        ),
    ]);
}

#[test]
fn other_words_mean_nothing() {
    assert_eq!(by_words("the tests of the parser fail", &at()), None);
}

#[test]
fn a_reset_is_understood_however_it_is_told() {
    let cases = [
        ("resets 3pm (america/new_york)", after(1)), // 20:00 in UTC is 3 pm there
        ("resets 2am (europe/paris)", after(5 * 60 + 1)),
        ("resets jan 2, 9am (utc)", None), // farther than any window
        ("try again at nov 23rd, 2026 1:30 am.", after(5 * 60 + 31)),
        (
            "try again in 2 days 3 hours 5 minutes.",
            Some(Until::After(Span::mins(51 * 60 + 5).plus(Span::secs(1)))),
        ),
        ("try again in 6m0s", Some(Until::After(Span::secs(361)))),
        ("resets soon", None),
        ("resets 25pm (utc)", None),
        ("resets 3pm (nowhere/town)", None),
        ("limit reached|99999999999", None),
    ];
    for (words, meant) in cases {
        assert_eq!(until(words, &at()), meant, "{words}");
    }
}

#[test]
fn waiting_is_the_answer_only_where_waiting_cures() {
    let reset = Until::At(Moment::from_secs(7));
    assert_eq!(
        Failure::UsageLimit(Some(reset)).action(),
        Action::Wait(reset)
    );
    let waits = [
        Failure::UsageLimit(None),
        Failure::RateLimited(None),
        Failure::Overloaded,
    ];
    for failure in waits {
        assert!(matches!(failure.action(), Action::Wait(_)), "{failure:?}");
        assert!(
            failure.reason().is_put_off(),
            "{failure:?} would be counted"
        );
    }
    for failure in [
        Failure::NoCredit,
        Failure::NotSignedIn,
        Failure::PermissionRefused(Vec::new()),
    ] {
        assert_eq!(failure.action(), Action::Ask);
        assert!(
            failure.question("claude", "").is_some(),
            "{failure:?} asks nothing"
        );
    }
}
