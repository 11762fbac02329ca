//! Guarantee 15: an assignment can't be built without a mirror and a worker.
