//! Text from standard input, where a verb is given `-` for it. Reads no more than a text may be long.

use std::io::Read;

use crate::exit::{Exit, Failure};

/// The whole text. One that is longer than `characters` comes cut, but longer than that.
///
/// # Errors
/// It can't be read, or is no UTF-8.
pub(super) fn read(characters: usize) -> Result<String, Failure> {
    // A character has up to four bytes; one more tells that it is too long.
    let limit = (characters * 4 + 1) as u64;
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        Failure::from_error(Exit::Usage, error).context("standard input is not UTF-8 text")
    })
}
