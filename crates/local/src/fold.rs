//! How text compares: without regard to case, as Dataverse does, for all of Unicode.
//!
//! Characters compare by their simple lower case, code point by code point; accents and trailing
//! spaces count. Invariant: [`compare`] is a total order that agrees with equality, since indexes
//! are built on it. It depends on the Unicode tables of the standard library, so the store
//! rebuilds its indexes when [`VERSION`] changes.

use std::cmp::Ordering;

use memchr::memmem;

/// Which Unicode tables folding uses.
pub(crate) const VERSION: (u8, u8, u8) = char::UNICODE_VERSION;

/// Orders two texts without regard to case.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (x, y) = (a.as_bytes(), b.as_bytes());
    // What is the same byte by byte is the same folded; identities share long beginnings.
    let mut i = same_blocks(x, y) * BLOCK;
    while i < x.len().min(y.len()) {
        let (p, q) = (x[i], y[i]);
        if !(p.is_ascii() && q.is_ascii()) {
            // The bytes before are the same but for the case of letters, so that both texts have
            // their character boundaries in the same places.
            while !a.is_char_boundary(i) {
                i -= 1;
            }
            return folded(&a[i..]).cmp(folded(&b[i..]));
        }
        let order = p.to_ascii_lowercase().cmp(&q.to_ascii_lowercase());
        if order != Ordering::Equal {
            return order;
        }
        i += 1;
    }
    x.len().cmp(&y.len())
}

/// How many bytes are compared at once where texts begin alike.
const BLOCK: usize = 8;

fn same_blocks(x: &[u8], y: &[u8]) -> usize {
    let blocks = x.chunks_exact(BLOCK).zip(y.chunks_exact(BLOCK));
    blocks.take_while(|(p, q)| p == q).count()
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// Where in a text a pattern must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Anywhere.
    Anywhere,
    /// At the start.
    Start,
    /// At the end.
    End,
}

/// The longest pattern with wildcards or beyond ASCII, in characters; longer ones occur nowhere. They
/// come from columns only, and matching takes text times pattern at worst.
const MAX_PATTERN: usize = 4_000;

/// Whether `pattern` occurs in `text`, without regard to case. As in Dataverse `%` stands for any
/// text, `_` for one character, `[abc]`, `[a-c]` and `[^a]` for one of, or none of, some.
pub(crate) fn matches(text: &str, pattern: &str, place: Place) -> bool {
    let plain = |b: u8| b.is_ascii() && !matches!(b, b'%' | b'_' | b'[');
    if text.is_ascii() && pattern.bytes().all(plain) {
        return plainly_matches(text.as_bytes(), pattern.as_bytes(), place);
    }
    if pattern.chars().nth(MAX_PATTERN).is_some() {
        return false;
    }
    let text: Vec<char> = folded(text).collect();
    let mut tokens = Vec::new();
    if place != Place::Start {
        tokens.push(Token::Any);
    }
    tokenize(pattern, &mut tokens);
    if place != Place::End {
        tokens.push(Token::Any);
    }
    glob(&text, &tokens)
}

/// [`matches()`] for ASCII without wildcards, which nearly all texts are.
fn plainly_matches(text: &[u8], pattern: &[u8], place: Place) -> bool {
    let Some(beyond) = text.len().checked_sub(pattern.len()) else {
        return false;
    };
    let at = |start: usize| text[start..start + pattern.len()].eq_ignore_ascii_case(pattern);
    match place {
        Place::Start => at(0),
        Place::End => at(beyond),
        Place::Anywhere => {
            let (text, pattern) = (text.to_ascii_lowercase(), pattern.to_ascii_lowercase());
            memmem::find(&text, &pattern).is_some()
        }
    }
}

enum Token {
    Any,
    One,
    Char(char),
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Char(own) => *own == c,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated
            }
        }
    }
}

fn tokenize(pattern: &str, tokens: &mut Vec<Token>) {
    let chars: Vec<char> = folded(pattern).collect();
    let mut i = 0;
    while i < chars.len() {
        let token = match chars[i] {
            '%' => Token::Any,
            '_' => Token::One,
            '[' => match set(&chars[i + 1..]) {
                Some((token, used)) => {
                    i += used;
                    token
                }
                None => Token::Char('['),
            },
            c => Token::Char(c),
        };
        tokens.push(token);
        i += 1;
    }
}

/// Reads a set after its `[`; the number is how many characters it took, `]` included.
fn set(chars: &[char]) -> Option<(Token, usize)> {
    let end = chars
        .iter()
        .position(|&c| c == ']')
        .filter(|&end| end > 0)?;
    let (negated, mut body) = match &chars[..end] {
        ['^', rest @ ..] if !rest.is_empty() => (true, rest),
        all => (false, all),
    };
    let mut ranges = Vec::new();
    while let Some((&first, rest)) = body.split_first() {
        if let ['-', last, after @ ..] = rest {
            ranges.push((first, *last));
            body = after;
        } else {
            ranges.push((first, first));
            body = rest;
        }
    }
    Some((Token::Set { negated, ranges }, end + 1))
}

/// Linear-space matching with one point to go back to, the last `%`: at worst text x pattern.
fn glob(text: &[char], tokens: &[Token]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match tokens.get(p) {
            Some(Token::Any) => {
                retry = Some((t, p));
                p += 1;
            }
            Some(token) if token.takes(text[t]) => {
                t += 1;
                p += 1;
            }
            _ => {
                let Some((from, any)) = retry else {
                    return false;
                };
                retry = Some((from + 1, any));
                t = from + 1;
                p = any + 1;
            }
        }
    }
    tokens[p..].iter().all(|token| matches!(token, Token::Any))
}

#[cfg(test)]
mod tests;
