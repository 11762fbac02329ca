//! Guarantee 8: git fetch ends within `GIT_TIMEOUT` (60 s) and git show within 10 s, as total deadlines; one that
//! passes leaves no process behind.
