//! The names of a record's fields.

use super::faults::{Faults, Path, nearest, shortened};

/// Who is speaking: each may set what the others may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Creation,
    Edit,
    Record,
}

macro_rules! fields {
    ($($name:literal $field:ident $(($($scope:ident)*))?)*) => {
        /// A field that some record or request may have.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Field { $($field),* }

        impl Field {
            const ALL: &[Self] = &[$(Self::$field),*];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$field => $name),* }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$field),)* _ => None }
            }

            fn is_allowed(self, scope: Scope) -> bool {
                match self {
                    $(Self::$field => { true $(&& (false $(|| scope == Scope::$scope)*))? })*
                }
            }
        }
    };
}

fields! {
    "id" Id (Creation Record)
    "name" Name
    "description" Description
    "prefix" Prefix (Creation Record)
    "allowed_models" AllowedModels
    "denied_models" DeniedModels
    "purpose" Purpose
    "daily_spend_limit" DailySpendLimit
    "monthly_spend_limit" MonthlySpendLimit
    "daily_token_limit" DailyTokenLimit
    "alert_threshold" AlertThreshold
    "allowed_ips" AllowedIps
    "allowed_endpoints" AllowedEndpoints
    "not_before" NotBefore
    "expires_at" ExpiresAt
    "timezone" Timezone
    "metadata" Metadata
    "tags" Tags
    "enabled" Enabled
    "secret_format" SecretFormat (Creation Record)
    "hint_style" HintStyle (Creation Record)
    "secret" Secret (Creation)
    "key_hash" KeyHash (Creation Record)
    "secrets" Secrets (Record)
    "revoked_at" RevokedAt (Record)
    "created_at" CreatedAt (Record)
    "updated_at" UpdatedAt (Record)
    "revision" Revision (Record)
    "earlier_timezones" EarlierZones (Record)
}

impl Field {
    /// The field called `name`, if the speaker may set it; a fault otherwise.
    pub(super) fn find(name: &str, scope: Scope, at: &Path<'_>, faults: &mut Faults) -> Option<Self> {
        match (Self::from_name(name), scope) {
            (Some(field), _) if field.is_allowed(scope) => return Some(field),
            (Some(Self::Secret), Scope::Record) => faults.add(at, "store key_hash, not the key"),
            (None, Scope::Record) if matches!(name, "key" | "api_key") => {
                faults.add(at, "store key_hash, not the key");
            }
            (Some(Self::Id | Self::Prefix | Self::SecretFormat | Self::HintStyle), Scope::Edit) => {
                faults.add(at, "cannot be changed");
            }
            (Some(_), Scope::Edit | Scope::Creation) => faults.add(at, "is set by the library alone"),
            _ => {
                let known =
                    Self::ALL.iter().filter(|field| field.is_allowed(scope)).map(|field| field.name());
                let hint = match nearest(name, known) {
                    Some((field, true)) => format!("; did you mean `{field}`"),
                    Some((field, false)) => format!("; the nearest is `{field}`"),
                    None => String::new(),
                };
                faults.add(at, format_args!("unknown field `{}`{hint}", shortened(name)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(name: &str, scope: Scope) -> Option<String> {
        let mut faults = Faults::default();
        let field = Field::find(name, scope, &Path::Root, &mut faults);
        faults.finish(field).err().map(|error| error.to_string())
    }

    #[test]
    fn a_misspelt_limit_is_not_an_unlimited_key() {
        for (name, meant) in [
            ("daily_limit", "daily_spend_limit"),
            ("daily_spend_limits", "daily_spend_limit"),
            ("Daily_Spend_Limit", "daily_spend_limit"),
            ("models", "allowed_models"),
            ("expires", "expires_at"),
            ("alert_treshold", "alert_threshold"),
            ("timeZone", "timezone"),
        ] {
            let expected = format!("unknown field `{name}`; did you mean `{meant}`");
            assert_eq!(fault(name, Scope::Creation), Some(expected));
        }
        assert!(fault("is_unlimited", Scope::Creation).unwrap().contains("; the nearest is `"));
    }

    #[test]
    fn each_speaker_sets_its_own_fields() {
        for name in ["prefix", "secret_format", "hint_style"] {
            assert_eq!(fault(name, Scope::Edit).unwrap(), "cannot be changed");
        }
        assert_eq!(fault("revoked_at", Scope::Edit).unwrap(), "is set by the library alone");
        assert_eq!(fault("created_at", Scope::Creation).unwrap(), "is set by the library alone");
        for name in ["key", "api_key", "secret"] {
            assert_eq!(fault(name, Scope::Record).unwrap(), "store key_hash, not the key");
        }
        for field in Field::ALL {
            assert_eq!(Field::from_name(field.name()), Some(*field));
        }
        assert_eq!(fault("secret", Scope::Creation), None);
    }
}
