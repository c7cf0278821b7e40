//! Text for people: characters that do not show, and so make two different names look the same; and what the system says.

use std::io;

/// What the system says of an error, without its number.
pub(crate) fn spoken(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

/// Whether `c` is white space, a control character or a format character (Unicode `Cc` and `Cf`): a trailing
/// newline, a zero-width space, a direction mark.
pub(crate) fn is_hidden(c: char) -> bool {
    if c.is_ascii() { !c.is_ascii_graphic() } else { c.is_control() || c.is_whitespace() || is_format(c) }
}

// General category Cf of Unicode 16, and U+2065 between, which is kept for another of them. The standard library does
// not know it, and a table crate for twenty ranges that change once in a decade is not worth its place.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_quoted_without_its_number() {
        assert_eq!(spoken(&io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(spoken(&io::Error::other("cut off")), "cut off");
    }

    #[test]
    fn what_does_not_show_is_hidden() {
        for c in [
            ' ', '\t', '\n', '\0', '\u{7f}', '\u{a0}', '\u{200b}', '\u{200d}', '\u{202e}', '\u{2065}',
            '\u{feff}',
        ] {
            assert!(is_hidden(c), "{c:?}");
        }
        for c in ['a', '/', '~', 'é', 'о', '日', '‐'] {
            assert!(!is_hidden(c), "{c:?}");
        }
    }
}
