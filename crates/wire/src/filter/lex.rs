//! Cuts filter text into tokens.
//!
//! A word is a run of letters, digits and `_.:+-`: what it is (a name, a number, a GUID, a point in
//! time) is decided by its look, since GUIDs and dates stand unquoted in OData.

use jiff::civil;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::Literal;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, keyword or function: starts with a letter or `_`.
    Word(String),
    /// A constant.
    Literal(Literal),
    /// `@name`
    Alias(String),
    /// One of `( ) [ ] , = /`
    Mark(char),
}

/// A token and where it starts (bytes from 0).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) at: usize,
}

/// What stopped the lexer, and where.
pub(super) type LexError = (String, usize);

pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, LexError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (token, length) = match first {
            '(' | ')' | '[' | ']' | ',' | '=' | '/' => (Token::Mark(first), 1),
            '\'' => single_quoted(&text[at..]).ok_or_else(|| unfinished(at))?,
            '"' => double_quoted(&text[at..]).ok_or_else(|| unfinished(at))?,
            '@' => alias(&text[at..]).ok_or_else(|| ("a name must follow `@`".to_owned(), at))?,
            _ if is_word(first) => word(&text[at..]).map_err(|message| (message, at))?,
            other => return Err((format!("unexpected `{other}`"), at)),
        };
        found.push(Placed { token, at });
        at += length;
    }
    Ok(found)
}

fn unfinished(at: usize) -> LexError {
    ("a quoted text has no end".to_owned(), at)
}

/// `'It''s'`
fn single_quoted(text: &str) -> Option<(Token, usize)> {
    let mut value = String::new();
    let mut rest = &text[1..];
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        let Some(after) = rest.strip_prefix('\'') else {
            return Some((literal(value), text.len() - rest.len()));
        };
        value.push('\'');
        rest = after;
    }
}

/// `"It's"`, escaped as in JSON.
fn double_quoted(text: &str) -> Option<(Token, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next()?.ok()?;
    Some((literal(value), values.byte_offset()))
}

fn literal(text: String) -> Token {
    Token::Literal(Literal::Text(text))
}

fn alias(text: &str) -> Option<(Token, usize)> {
    let name: String = text[1..]
        .chars()
        .take_while(|&c| c.is_ascii_alphanumeric() || c == '_')
        .collect();
    let length = 1 + name.len();
    (!name.is_empty()).then_some((Token::Alias(name), length))
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '+' | '-')
}

fn word(text: &str) -> Result<(Token, usize), String> {
    let length = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let word = &text[..length];
    Ok((classify(word)?, length))
}

fn classify(word: &str) -> Result<Token, String> {
    let constant = match word {
        "null" => Some(Literal::Null),
        "true" => Some(Literal::Bool(true)),
        "false" => Some(Literal::Bool(false)),
        _ => guid(word).or_else(|| number(word)).or_else(|| time(word)),
    };
    if let Some(constant) = constant {
        return Ok(Token::Literal(constant));
    }
    let name_like = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':');
    if word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(name_like)
    {
        return Ok(Token::Word(word.to_owned()));
    }
    Err(format!(
        "`{word}` is neither a column nor a value; text needs single quotes"
    ))
}

/// Only the hyphenated form: 32 plain digits could be a number.
fn guid(word: &str) -> Option<Literal> {
    (word.len() == 36 && word.as_bytes()[8] == b'-')
        .then(|| Uuid::try_parse(word).ok())?
        .map(Literal::Guid)
}

fn number(word: &str) -> Option<Literal> {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(whole) = word.parse::<i64>() {
        return Some(Literal::Int(whole));
    }
    let fraction: f64 = word.parse().ok()?;
    fraction.is_finite().then_some(Literal::Decimal(fraction))
}

/// `2023-04-07`, `2023-04-07T21:59:01Z`, with a fraction, with an offset; UTC when none is named.
fn time(word: &str) -> Option<Literal> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let at = if word.len() == 10 {
        utc(word.parse::<civil::Date>().ok()?.at(0, 0, 0, 0))?
    } else if let Ok(at) = word.parse::<jiff::Timestamp>() {
        at
    } else {
        utc(word.parse::<civil::DateTime>().ok()?)?
    };
    Some(Literal::DateTime(at))
}

fn utc(at: civil::DateTime) -> Option<jiff::Timestamp> {
    at.to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}
