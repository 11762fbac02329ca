//! Guarantee 3: Dev Box configuration that is missing, wrong or broken never stops the orchestrator. It warns
//! once, says why where a person looks, and everything else goes on.
