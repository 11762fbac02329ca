//! Guarantee 6: mirror and link are one atomic change set with a computed mirror id. Where the store can't do that,
//! the link is retried (3 attempts, 1 s apart, both settings); an orphan found later is repaired, never doubled.
