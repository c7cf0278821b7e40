//! Where key records live.
