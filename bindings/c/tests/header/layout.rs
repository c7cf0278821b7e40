//! Puts what cbindgen writes into the order in which it is read: a chapter for each source file, its title that of the
//! file, types beside the functions that take them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The version, and the two things that C says better than Rust.
const OPENING: &str = r#"
/** The version of the library that this header was written for. */
#define ENCLAVA_VERSION "@VERSION@"

/* Not to be ignored: without the answer a request would pass unasked. */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define ENCLAVA_NODISCARD [[nodiscard]]
#elif defined(__GNUC__)
#define ENCLAVA_NODISCARD __attribute__((warn_unused_result))
#else
#define ENCLAVA_NODISCARD
#endif

#ifdef __cplusplus
extern "C" {
#endif
"#;

const CLOSING: &str = r"
#ifdef __cplusplus
}
#endif

#endif /* ENCLAVA_H */
";

/// Made of what C programs have texts in.
const TEXT_OF: &str = "
/** The text up to a NUL. NULL is not stated. It is lent, like any other. */
static inline enclava_str enclava_text(const char *text) {
  enclava_str lent;
  lent.data = text;
  lent.len = text == NULL ? 0 : strlen(text);
  return lent;
}
";

const EMPTY: &str = "
/** An empty @NAME@, its size set. */
static inline @NAME@ @NAME@_init(void) {
  @NAME@ empty;
  memset(&empty, 0, sizeof empty);
  empty.size = (uint32_t)sizeof empty;
  return empty;
}
";

struct Chapter {
    source: String,
    // Where it is defined in the source, and how it reads.
    items: Vec<(usize, String)>,
}

/// The header made of what cbindgen wrote and the sources that it read.
pub(crate) fn header(generated: &str, sources: &Path) -> String {
    let (first_page, body) = generated.split_once("#ifndef ENCLAVA_H").unwrap();
    let mut chapters = chapters(sources);
    let mut handles = String::new();
    for item in body.split("\n\n").filter_map(name_of) {
        let (name, text) = item;
        if is_handle(&text) {
            write!(handles, "\n{text}\n").unwrap();
            continue;
        }
        let (chapter, place) = chapters
            .iter_mut()
            .find_map(|chapter| place_of(&chapter.source, &name).map(|place| (chapter, place)))
            .unwrap_or_else(|| panic!("{name} is in no source"));
        chapter.items.push((place, text));
    }
    let guard = "#ifndef ENCLAVA_H\n#define ENCLAVA_H\n\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n";
    let mut header = format!(
        "{}\n{guard}{}",
        first_page.trim_end(),
        OPENING.replace("@VERSION@", env!("CARGO_PKG_VERSION"))
    );
    title(&mut header, "Handles: made by the library, freed by the function of their name.");
    header.push_str(&handles);
    for Chapter { source, mut items } in chapters {
        if items.is_empty() {
            continue;
        }
        items.sort_by_key(|(place, _)| *place);
        title(&mut header, source.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap());
        for (_, text) in items {
            write!(header, "\n{text}\n").unwrap();
            if let Some(name) = grown(&text) {
                header.push_str(&EMPTY.replace("@NAME@", &name));
            }
            if text.ends_with("} enclava_str;") {
                header.push_str(TEXT_OF);
            }
        }
    }
    header.push_str(CLOSING);
    header
}

// The chapters in the order of lib.rs.
fn chapters(sources: &Path) -> Vec<Chapter> {
    let lib = fs::read_to_string(sources.join("lib.rs")).unwrap();
    let names = lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    let read = |name: &str| fs::read_to_string(sources.join(format!("{name}.rs"))).unwrap();
    names.map(|name| Chapter { source: read(name), items: Vec::new() }).collect()
}

// The name that a paragraph of cbindgen's defines, and the paragraph as it is to read; none if it defines nothing.
fn name_of(paragraph: &str) -> Option<(String, String)> {
    let paragraph = paragraph.trim_matches('\n');
    let text = plain_references(&shorter_comments(&plain_enum(paragraph)));
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with(['/', '*'])).collect();
    let words: Vec<&str> = code
        .split(|char: char| !(char.is_alphanumeric() || char == '_'))
        .filter(|word| !word.is_empty())
        .collect();
    let is_ours = |word: &&&str| {
        word.to_lowercase().starts_with("enclava_") && **word != "ENCLAVA_NODISCARD" && **word != "ENCLAVA_H"
    };
    let name = match words.first()? {
        &"typedef" | &"define" => words.iter().find(is_ours)?,
        // A function: what stands before its parenthesis.
        _ => {
            let before = code.split_once('(')?.0;
            words.iter().filter(is_ours).find(|word| before.ends_with(**word))?
        }
    };
    Some(((*name).to_owned(), text))
}

// Where `name` is defined in `source`.
fn place_of(source: &str, name: &str) -> Option<usize> {
    ["pub struct", "pub enum", "fn", "pub const", "pub type"].iter().find_map(|keyword| {
        let definition = format!("{keyword} {name}");
        let mut found = source.match_indices(&definition).map(|(place, _)| place);
        found.find(|place| {
            let after = source.get(place + definition.len()..).and_then(|rest| rest.chars().next());
            after.is_none_or(|char| !char.is_alphanumeric() && char != '_')
        })
    })
}

fn is_handle(text: &str) -> bool {
    let last = text.lines().last().unwrap_or_default();
    last.starts_with("typedef struct ") && last.ends_with(';')
}

// The struct that begins with its size, if this is one.
fn grown(text: &str) -> Option<String> {
    let name = text.lines().last()?.strip_prefix("} ")?.strip_suffix(';')?;
    text.contains("uint32_t size;").then(|| name.to_owned())
}

// An enum as numbers of a fixed size and their names, so that a number from a newer library is a value like any other.
fn plain_enum(paragraph: &str) -> String {
    let Some((comment, rest)) = paragraph.split_once("enum ") else { return paragraph.to_owned() };
    let Some((name, _)) = rest.split_once('\n').filter(|_| rest.contains("#if")) else {
        return paragraph.to_owned();
    };
    let (_, body) = paragraph.split_once("\n {\n").unwrap();
    let (body, _) = body.split_once("\n};").unwrap();
    format!("{comment}typedef int32_t {name};\nenum {{\n{body}\n}};")
}

// One line for a comment that fits in one.
fn shorter_comments(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.lines().peekable();
    while let Some(line) = rest.next() {
        let indent = line.len() - line.trim_start().len();
        let mut ahead = rest.clone();
        let (middle, last) =
            (ahead.next().unwrap_or_default().trim(), ahead.next().unwrap_or_default().trim());
        match middle.strip_prefix("* ") {
            Some(words) if line.trim() == "/**" && last == "*/" && indent + words.len() + 7 <= 120 => {
                lines.push(format!("{:indent$}/** {words} */", ""));
                rest.next();
                rest.next();
            }
            _ => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

// Types by their names alone, but where they are defined, and where they are named before.
fn plain_references(text: &str) -> String {
    let plain = |line: &str| match line {
        line if line.starts_with("typedef struct ") => line.to_owned(),
        line => line.replace("struct enclava_", "enclava_"),
    };
    let text = text.lines().map(plain).collect::<Vec<_>>().join("\n");
    text.replace("const enclava_ledger_vtable *ledger;", "const struct enclava_ledger_vtable *ledger;")
        .replace("const enclava_store_vtable *store;", "const struct enclava_store_vtable *store;")
}

fn title(header: &mut String, words: &str) {
    write!(header, "\n/* {} */\n/* {words} */\n/* {} */\n", "-".repeat(74), "-".repeat(74)).unwrap();
}
