//! One request's way through the house: authorize, permit, settle.
