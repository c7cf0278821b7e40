//! Characters that become longer where a tokenizer normalizes a text before it cuts it.

use std::iter;

use unicode_normalization::UnicodeNormalization;

/// By how many bytes the text of a JSON value is longer, at most, once its characters are normalized (NFKC) one by one.
///
/// Tokenizers of the `SentencePiece` kind do so: three bytes of U+FDFA become eighteen letters, each perhaps a token.
pub(super) fn longer(text: &str) -> u64 {
    if text.is_ascii() && !text.contains("\\u") {
        return 0;
    }
    let (mut more, mut rest) = (0_u64, text.chars());
    while let Some(next) = rest.next() {
        let meant = if next == '\\' { escaped(&mut rest) } else { Some(next) };
        more = more.saturating_add(meant.map_or(0, longer_one));
    }
    more
}

// What an escape stands for whose backslash was taken; `None` where that grows no longer. Half of a surrogate pair counts as
// three bytes, so that together they have room for what the few beyond the basic plane become.
fn escaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    if rest.next()? != 'u' {
        return None;
    }
    let digits = rest.as_str().get(..4)?;
    let meant = u32::from_str_radix(digits, 16).ok()?;
    rest.nth(3);
    char::from_u32(meant)
}

fn longer_one(one: char) -> u64 {
    if !may_grow(one) {
        return 0;
    }
    let normal: usize = iter::once(one).nfkc().map(char::len_utf8).sum();
    u64::try_from(normal.saturating_sub(one.len_utf8())).unwrap_or(u64::MAX)
}

// The neighbourhoods of all that grow: most text is not asked about further.
const fn may_grow(one: char) -> bool {
    matches!(one,
        '\u{a8}'..='\u{be}'
        | '\u{13f}'..='\u{149}'
        | '\u{1c4}'..='\u{1c6}'
        | '\u{2d8}'..='\u{2dd}'
        | '\u{344}'..='\u{385}'
        | '\u{587}'
        | '\u{675}'..='\u{678}'
        | '\u{958}'..='\u{95f}'
        | '\u{9dc}'..='\u{a5e}'
        | '\u{b5c}'..='\u{b5d}'
        | '\u{e33}'
        | '\u{eb3}'..='\u{fb9}'
        | '\u{1fc1}'..='\u{2057}'
        | '\u{2150}'..='\u{2230}'
        | '\u{247d}'..='\u{2487}'
        | '\u{2a0c}'..='\u{2adc}'
        | '\u{309b}'..='\u{309f}'
        | '\u{30ff}'..='\u{33fe}'
        | '\u{fa6c}'..='\u{fefc}'
        | '\u{1b123}'..='\u{1b126}'
        | '\u{1d15e}'..='\u{1d1c0}'
        | '\u{1f12a}'..='\u{1f248}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_is_known() {
        let grows = |one: &char| iter::once(*one).nfkc().map(char::len_utf8).sum::<usize>() > one.len_utf8();
        let unknown: Vec<char> = ('\0'..=char::MAX).filter(grows).filter(|one| !may_grow(*one)).collect();
        assert_eq!(unknown, []);
    }

    #[test]
    fn a_text_is_as_long_as_its_characters_become() {
        for (text, more) in [
            ("", 0),
            ("plain", 0),
            ("Größe, 東京, สวัสดี, カタカナ, 한국어", 0),
            ("\u{fdfa}", 30),
            ("a\u{fdfa}b\u{fdfa}", 60),
            ("\\ufdfa", 30),
            ("\\\\ufdfa \\n \\uFDFA", 30),
            ("\\u00e9 \\ud83d\\ude00", 0),
            ("\u{3316}", 15),
            ("\\ufd", 0),
            ("\\", 0),
        ] {
            assert_eq!(longer(text), more, "{text:?}");
        }
    }
}
