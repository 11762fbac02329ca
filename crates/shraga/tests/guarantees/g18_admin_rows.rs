//! Guarantee 18: the admin's own rows are excluded once the admin is known; until then discovery works without that
//! clause; the admin in the state file is checked against WhoAmI.
