//! Guarantee 5: an update of no row or of no field can't be expressed, or is a typed error before any request.
