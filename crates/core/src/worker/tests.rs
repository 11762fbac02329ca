//! How attempts go, from the first look to the last answer.
