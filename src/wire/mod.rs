//! What travels: denials and their bodies, bearer extraction, usage, request estimates and prices.
