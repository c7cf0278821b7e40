//! Server-sent events out of a stream that is cut anywhere.

use std::fmt;

/// A line, and the data of one event, may be this long; what is longer is skipped and counted.
const LIMIT: usize = 1 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Puts lines and events together again from chunks of any size, as the HTML standard reads `text/event-stream`:
/// lines end in LF, CR or CRLF, `data` of several lines is joined by LF, a byte order mark may come first.
#[derive(Clone, Default)]
pub(super) struct SseReader {
    line: Vec<u8>,
    data: Vec<u8>,
    state: Event,
    line_skipped: bool,
    after_cr: bool,
    past_first_line: bool,
    skipped_bytes: u64,
}

// The event being read: without data yet, with some, or too long to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Event {
    #[default]
    Empty,
    Data,
    Skipped,
}

// What models answer is nobody else's.
impl fmt::Debug for SseReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, data, skipped_bytes, .. } = self;
        let (line, data) = (line.len(), data.len());
        write!(f, "SseReader {{ line: {line} bytes, data: {data} bytes, skipped: {skipped_bytes} bytes }}")
    }
}

impl SseReader {
    /// Takes in a chunk and calls `event` with the data of every event that ends in it.
    pub(super) fn feed(&mut self, chunk: &[u8], event: &mut impl FnMut(&[u8])) {
        let mut rest = chunk;
        while !rest.is_empty() {
            // The second half of a CRLF is no line of its own, wherever the chunks meet.
            if std::mem::take(&mut self.after_cr)
                && let [b'\n', tail @ ..] = rest
            {
                rest = tail;
                continue;
            }
            let end = rest.iter().position(|&byte| matches!(byte, b'\n' | b'\r'));
            let (part, tail) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or_default();
            let Some((&mark, tail)) = tail.split_first() else {
                self.keep(part);
                return;
            };
            self.after_cr = mark == b'\r';
            rest = tail;
            if self.line.is_empty() && !self.line_skipped && part.len() <= LIMIT {
                self.end_of_line(part, event);
            } else {
                self.keep(part);
                let line = std::mem::take(&mut self.line);
                self.end_of_line(&line, event);
                self.line = line;
                self.line.clear();
            }
            self.line_skipped = false;
        }
    }

    /// Takes what was never ended as ended: a stream may close right after its last line.
    pub(super) fn finish(&mut self, event: &mut impl FnMut(&[u8])) {
        self.feed(b"\n\n", event);
    }

    /// Bytes of lines and events that were too long to read.
    pub(super) fn skipped_bytes(&self) -> u64 {
        self.skipped_bytes
    }

    fn keep(&mut self, part: &[u8]) {
        if self.line_skipped || self.line.len().saturating_add(part.len()) > LIMIT {
            self.skip(self.line.len());
            self.skip(part.len());
            self.line.clear();
            self.line_skipped = true;
        } else {
            self.line.extend_from_slice(part);
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.skipped_bytes = self.skipped_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn end_of_line(&mut self, line: &[u8], event: &mut impl FnMut(&[u8])) {
        let first = !std::mem::replace(&mut self.past_first_line, true);
        let line = if first { line.strip_prefix(BOM).unwrap_or(line) } else { line };
        if self.line_skipped {
            self.state = Event::Skipped;
        } else if line.is_empty() {
            if std::mem::take(&mut self.state) == Event::Data {
                event(&self.data);
            }
            self.data.clear();
        } else if let Some(data) = data_of(line) {
            self.add_data(data);
        }
    }

    fn add_data(&mut self, data: &[u8]) {
        if self.state == Event::Skipped || self.data.len().saturating_add(data.len()) >= LIMIT {
            self.skip(self.data.len());
            self.skip(data.len());
            self.data.clear();
            self.state = Event::Skipped;
            return;
        }
        if std::mem::replace(&mut self.state, Event::Data) == Event::Data {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(data);
    }
}

// The value of a `data` field; `None` for a comment and for every other field.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let mut reader = SseReader::default();
        let mut found = Vec::new();
        let mut take = |data: &[u8]| found.push(String::from_utf8_lossy(data).into_owned());
        for chunk in chunks {
            reader.feed(chunk, &mut take);
        }
        reader.finish(&mut take);
        found
    }

    #[test]
    fn every_line_end_ends_a_line() {
        for text in [
            "data: a\n\ndata: b\n\n",
            "data: a\r\rdata: b\r\r",
            "data: a\r\n\r\ndata: b\r\n\r\n",
            "data:a\n\rdata:b",
        ] {
            assert_eq!(events(&[text.as_bytes()]), ["a", "b"], "{text:?}");
        }
    }

    #[test]
    fn a_crlf_cut_in_two_is_one_line_end() {
        assert_eq!(events(&[b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n"]), ["a\nb"]);
    }

    #[test]
    fn comments_other_fields_and_the_byte_order_mark_are_no_data() {
        let text = b"\xef\xbb\xbfdata: a\n: ping\nevent: x\nid: 1\ndatax: no\ndata\ndata:  b\n\nretry: 5\n\n";
        assert_eq!(events(&[text]), ["a\n\n b"]);
        assert_eq!(events(&[b"\xef", b"\xbb", b"\xbfdata: a\n\n"]), ["a"]);
    }

    #[test]
    fn an_endless_line_takes_no_endless_memory() {
        let mut reader = SseReader::default();
        let mut found = Vec::new();
        let mut take = |data: &[u8]| found.push(data.to_vec());
        reader.feed(b"data: ", &mut take);
        for _ in 0..64 {
            reader.feed(&vec![b'x'; 1 << 16], &mut take);
        }
        reader.feed(b"\ndata: lost with it\n\ndata: next\n\n", &mut take);
        assert_eq!(found, [b"next"]);
        assert!(reader.skipped_bytes() >= 1 << 22);
        assert!(reader.line.capacity() <= LIMIT.saturating_mul(2));
    }

    #[test]
    fn an_event_of_endless_lines_is_bounded_too() {
        let line = [b"data: ".as_slice(), &vec![b'x'; 1 << 16], b"\n"].concat();
        let text = [line.repeat(40), b"\ndata: next\n\n".to_vec()].concat();
        assert_eq!(events(&[&text]), ["next"]);
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(text in "(data: ?[a-z\u{e9}]{0,4}|:x|event: y|\u{feff}|)(\r\n|\r|\n)", times in 1_usize..6, cut: prop::sample::Index) {
            let text = text.repeat(times).into_bytes();
            let (left, right) = text.split_at(cut.index(text.len()));
            prop_assert_eq!(events(&[left, right]), events(&[&text]));
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            prop_assert_eq!(events(&bytes), events(&[&text]));
        }
    }
}
