//! Rows are understood, or refused by name.
