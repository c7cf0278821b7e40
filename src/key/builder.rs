//! The fields that both a creation and an edit may set, as methods.

macro_rules! field_setters {
    ($builder:ty) => {
        impl $builder {
            field_setters! { @each
                /// What people call the key: 1 to 100 characters.
                name
                /// What people say about it: up to 500 characters.
                description
                /// The models it may use, as exact names or with one trailing `*`, which stands for one character or more;
                /// none listed is every model. At most 10 000 of them.
                allowed_models
                /// The models it may not use, whatever it is allowed: `["o1", "o1*"]` for `o1` and all that begins so. At
                /// most 10 000.
                denied_models
                /// The one purpose it serves.
                purpose
                /// The most it may spend in a day, in US dollars: `"50.00"`, `50` or a `Decimal`, up to 1 000 000 000. 0 allows
                /// nothing.
                daily_spend_limit
                /// The most it may spend in a calendar month, in US dollars, up to 1 000 000 000. 0 allows nothing.
                monthly_spend_limit
                /// The most tokens it may use in a day, up to 2^53 - 1. 0 allows nothing.
                daily_token_limit
                /// The share of each limit at which an alert is sent: `"0.8"` for 80 %.
                alert_threshold
                /// The addresses and networks it may be used from, 1 to 1 000 of them: an empty list is an error.
                allowed_ips
                /// The endpoints it may call: `/v1/models`, `/v1/*`, `POST /v1/embeddings`. 1 to 256 of them: an empty list is an
                /// error.
                allowed_endpoints
                /// The instant before which it is refused: a `Timestamp` or RFC 3339 text.
                not_before
                /// The instant from which on it is refused: a `Timestamp` or RFC 3339 text.
                expires_at
                /// The IANA time zone whose midnight ends its day.
                timezone
                /// The caller's own data: an object, up to 10 KiB as JSON.
                metadata
                /// The caller's own labels: up to 20, of up to 64 characters.
                tags
                /// Whether it is switched on.
                enabled
            }
        }
    };
    (@each $($(#[$doc:meta])* $field:ident)*) => {$(
        $(#[$doc])*
        pub fn $field(self, value: impl Into<Value<'static>>) -> Self {
            self.set(stringify!($field), value)
        }
    )*};
}

pub(super) use field_setters;
