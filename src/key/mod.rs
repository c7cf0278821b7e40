//! What a key is: its secrets, their digests, its record.

mod digest;
mod faults;
mod hint;
mod json;
mod packed;
mod pepper;
mod prefix;
mod secret;
mod short;
mod threshold;
mod value;
mod zone;

pub use digest::{Digest, SecretHash, SecretHashError};
pub use faults::{Fault, InvalidRecord};
pub use hint::{Hint, HintStyle};
pub use pepper::{PepperError, Peppers};
pub use prefix::{Prefix, PrefixError};
pub use secret::{ImportError, Secret, SecretFormat, ShapeFault, check_shape, checksum_holds};
pub use threshold::{Threshold, ThresholdError};
pub use value::Value;
