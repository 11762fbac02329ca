//! Guarantee 16: state is written atomically; a save that fails is an error in the log and a finding, and does not
//! stop the daemon.
