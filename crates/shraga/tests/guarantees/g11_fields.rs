//! Guarantee 11: a mirror has every field from the start, `cr_transcript` and `cr_result` empty.
