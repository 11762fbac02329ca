//! Guarantee 10: `GIT_BRANCH` decides what is compared, whatever branch is checked out, and is never taken for an
//! option of git's.
