//! Guarantee 9: without workers tasks are still discovered, mirrored and explained as waiting; a worker that appears
//! later gets them without a restart.
