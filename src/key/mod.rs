//! What a key is: its secrets, their digests, its record.
//!
//! A [`KeySpec`] becomes a [`Key`] and a [`Secret`] that is shown once; a [`KeyEdit`], a rotation or a switch makes a
//! new [`Key`] of it. Creation, edit and stored record are read by one validator, which reports every fault at once.

mod builder;
mod by_id;
mod digest;
mod edit;
mod faults;
mod field;
mod hint;
mod history;
mod json;
#[cfg(test)]
mod mistakes;
mod output;
mod packed;
mod parts;
mod pepper;
mod policy_file;
mod prefix;
mod read;
mod record;
mod rotation;
mod secret;
mod short;
mod spec;
mod state;
mod stored;
#[cfg(test)]
mod testing;
mod value;
mod widening;
mod zone;

pub(crate) use by_id::ById;
pub use digest::{Digest, SecretHash, SecretHashError};
pub use edit::{ChangeError, Edited, KeyEdit};
pub use faults::{Fault, InvalidRecord};
pub use hint::{Hint, HintStyle};
pub use history::StoredSecret;
pub use pepper::{PepperError, Peppers};
pub use policy_file::read_policy;
pub(crate) use policy_file::{LARGEST_POLICY, policy_too_large};
pub use prefix::{Prefix, PrefixError};
pub use record::Key;
pub use rotation::NewSecret;
pub use secret::{ImportError, Secret, SecretFormat, ShapeFault, check_shape, checksum_holds};
pub use spec::{CreateError, Created, KeySpec};
pub use state::{Conflict, State};
pub use value::Value;
