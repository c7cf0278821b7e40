//! The time zone whose midnight ends a key's day.

use super::faults::nearest;
use crate::budget::Zone;

/// The zone of this name, or what to say about a name that is none.
pub(super) fn parse_zone(name: &str) -> Result<Zone, String> {
    Zone::named(name).map_err(|_| {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let guess = nearest(name, known.iter().map(String::as_str));
        let guess = guess.filter(|&(_, probable)| probable);
        let guess = guess.map(|(name, _)| format!("; did you mean `{name}`")).unwrap_or_default();
        format!("must be an IANA time zone such as Europe/Berlin{guess}")
    })
}

#[cfg(test)]
mod tests {
    use super::parse_zone;

    #[test]
    fn zones_have_one_name_each() {
        for (given, name) in
            [("UTC", "UTC"), ("Europe/Berlin", "Europe/Berlin"), ("europe/berlin", "Europe/Berlin")]
        {
            assert_eq!(parse_zone(given).unwrap().name(), name);
        }
    }

    #[test]
    fn what_is_no_zone_is_told_its_neighbour() {
        let error = |name| parse_zone(name).err().unwrap();
        assert!(error("Europe/Berlim").ends_with("did you mean `Europe/Berlin`"));
        for name in ["", "CET-1CEST", "+02:00", "Etc/Unknown", "../etc/passwd", "Mars/Olympus"] {
            assert!(parse_zone(name).is_err(), "{name}");
        }
    }
}
