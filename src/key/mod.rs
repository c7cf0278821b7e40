//! What a key is: its secrets, their digests, its record.

mod digest;
mod hint;
mod pepper;
mod prefix;
mod secret;
mod short;

pub use digest::{Digest, SecretHash, SecretHashError};
pub use hint::{Hint, HintStyle};
pub use pepper::{PepperError, Peppers};
pub use prefix::{Prefix, PrefixError};
pub use secret::{ImportError, Secret, SecretFormat, ShapeFault, check_shape, checksum_holds};
