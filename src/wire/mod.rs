//! What travels: denials and their bodies, bearer extraction, usage, request estimates and prices.

mod bearer;
mod body;
mod catalogue;
mod denial;
mod estimate;
mod json;
mod message;
mod normal;
mod parts;
mod price_error;
mod price_file;
mod prices;
mod prompt;
mod rates;
mod reason;
mod request;
mod rewrite;
mod sse;
mod stream;
mod tokens;
mod usage;

pub use bearer::{BearerOptions, bearer};
pub use body::Dialect;
pub use catalogue::PriceReport;
pub use denial::{BudgetDetail, Denial};
pub use estimate::{Estimate, EstimateError};
pub use parts::RequestBody;
pub use price_error::{PriceError, PriceFault};
pub use prices::{ModelPrice, PriceBook};
pub use rates::TokenKind;
pub use reason::{Reason, ReasonError};
pub use request::{Exposure, Hidden, InputBound, RequestError, RequestFacts, RequestKind};
pub use rewrite::{Rewrite, dispatch_body};
pub use stream::{Progress, StreamEnd, StreamUsage};
pub use tokens::{ServiceTier, TokenUsage};
pub use usage::{ResponseFacts, UsageError};
