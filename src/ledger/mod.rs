//! Where meters and holds live.
