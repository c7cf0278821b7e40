//! A record by its id, in sets: the id is in the record already.

use std::borrow::Borrow;
use std::cmp::Ordering as Order;
use std::sync::Arc;

use super::record::Key;
use crate::KeyId;

/// A record in the order of its id, which a set finds it by.
#[derive(Debug, Clone)]
pub(crate) struct ById(pub(crate) Arc<Key>);

impl Borrow<KeyId> for ById {
    fn borrow(&self) -> &KeyId {
        self.0.id()
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl Eq for ById {}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for ById {
    fn cmp(&self, other: &Self) -> Order {
        self.0.id().cmp(other.0.id())
    }
}
