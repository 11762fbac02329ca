//! Guarantee 7: a corrupt, truncated, wrong-typed or hostile state file is never fatal and never destroyed: it is
//! kept aside under a new name, each bad element is named, and what is good of it is used.
