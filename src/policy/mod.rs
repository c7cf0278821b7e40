//! May this key do this? Models, addresses, endpoints and purpose. Pure functions.
//!
//! Each dimension is restricted or it is not. A restricted one refuses a request that states nothing in it, or
//! something that cannot be read: an allowlist that a request passes by staying silent is no allowlist.

mod address;
mod addresses;
mod check;
mod endpoints;
mod glob;
mod model_index;
mod models;
mod pattern;
mod purpose;

pub use address::{ClientAddressError, ClientIp, resolve_client_ip};
pub use addresses::{AddressError, AddressRules};
pub use check::{Facts, Policy, Refusal};
pub use endpoints::{EndpointError, EndpointRules};
pub use models::ModelRules;
pub use pattern::{ModelPattern, ModelPatternError};
pub use purpose::{Purpose, PurposeError};
