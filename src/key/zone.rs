//! The time zone whose midnight ends a key's day.

use std::fmt;

use jiff::tz::TimeZone;

use super::faults::nearest;

const UTC: &str = "UTC";

/// An IANA time zone; UTC unless it says otherwise. All keys of one zone share its data.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Zone(TimeZone);

impl Zone {
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        if name == UTC {
            return Ok(Self::default());
        }
        match TimeZone::get(name) {
            Ok(zone) if zone.iana_name().is_some() && !zone.is_unknown() => Ok(Self(zone)),
            _ => {
                let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
                let guess = nearest(name, known.iter().map(String::as_str));
                let guess = guess.filter(|&(_, probable)| probable);
                let guess = guess.map(|(name, _)| format!("; did you mean `{name}`")).unwrap_or_default();
                Err(format!("must be an IANA time zone such as Europe/Berlin{guess}"))
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        self.0.iana_name().unwrap_or(UTC)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::Zone;

    #[test]
    fn zones_have_one_name_each() {
        for (given, name) in
            [("UTC", "UTC"), ("Europe/Berlin", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin")]
        {
            assert_eq!(Zone::parse(given).unwrap().name(), name);
        }
        assert_eq!(size_of::<Zone>(), 8);
    }

    #[test]
    fn what_is_no_zone_is_told_its_neighbour() {
        let error = |name| Zone::parse(name).err().unwrap();
        assert!(error("Europe/Berlim").ends_with("did you mean `Europe/Berlin`"));
        for name in ["", "CET-1CEST", "+02:00", "Etc/Unknown", "../etc/passwd", "Mars/Olympus"] {
            assert!(Zone::parse(name).is_err(), "{name}");
        }
    }
}
