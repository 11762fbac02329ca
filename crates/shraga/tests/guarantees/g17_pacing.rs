//! Guarantee 17: requests and execution time are paced under the service's limits, adaptively on 429 and
//! `Retry-After`; a burst of 10,000 tasks trips no limit.
