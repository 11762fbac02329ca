//! Guarantee 12: the created row's id and version are known without another request: chosen by us in a change set;
//! on the fallback path from `Prefer: return=representation`, then from `OData-EntityId`.
