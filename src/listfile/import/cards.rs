//! Cards and entries: vCards (RFC 6350, and 2.1 and 3.0 before it) and LDIF (RFC 2849). One row
//! each, with all its addresses in one cell.

use std::io::{BufRead, Write};

use super::{BoundedTable, Container, ImportError, without_mark};
use crate::listfile::charset::TextEncoding;

/// The longest folded line, in bytes: a picture in a card is passed over.
const MAX_LINE: usize = 1024 * 1024;

/// The longest name of a property with its parameters, in bytes.
const MAX_KEY: usize = 1024;

/// The container that a file with this beginning is, if it is one of cards or of entries. They are
/// read by their bytes, and so not in UTF-16.
pub(super) fn kind(head: &[u8]) -> Option<Container> {
    if TextEncoding::utf16(head).is_some() {
        return None;
    }
    let text = String::from_utf8_lossy(without_mark(head));
    let text = text.trim_start();
    let first = text.lines().next().unwrap_or_default().trim_end();
    if first.eq_ignore_ascii_case("begin:vcard") {
        return Some(Container::Vcard);
    }
    let is_entry = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("dn:") && line.contains('=') || line.starts_with("dn::")
    };
    let below = below_comments(text);
    let is_ldif = is_entry(below) || is_version(below) && text.lines().any(is_entry);
    is_ldif.then_some(Container::Ldif)
}

/// The first line that is no comment of LDIF, as directories put them above their entries.
fn below_comments(text: &str) -> &str {
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.next().unwrap_or_default()
}

fn is_version(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.strip_prefix("version:").is_some_and(|rest| rest.trim() == "1")
}

/// A card whose end has not come yet.
#[derive(Default)]
struct OpenCard {
    name: String,
    addresses: Vec<String>,
}

impl OpenCard {
    fn write<W: Write>(&self, table: &mut BoundedTable<W>) -> Result<(), ImportError> {
        table.row(&[self.name.as_str(), &self.addresses.join("; ")])
    }
}

/// Writes each card's name and addresses. A card of vCard 2.1 may stand within another one, as its
/// `AGENT`; one without an end has a row too.
pub(super) fn vcards<R: BufRead, W: Write>(
    input: R,
    table: &mut BoundedTable<W>,
) -> Result<String, ImportError> {
    table.row(&["Name", "Email Address"])?;
    let (mut open, mut held): (Vec<OpenCard>, u64) = (Vec::new(), 0);
    let encoding = table.encoding.unwrap_or(TextEncoding::UTF_8);
    each_line(input, is_soft_break, |line| {
        let Some((key, value)) = property(line) else { return Ok(()) };
        let mut parameters = key.split(';');
        let property = parameters.next().unwrap_or_default();
        // A group may stand before the property: `item1.EMAIL`.
        let property = property.rsplit('.').next().unwrap_or_default();
        let charset = parameters.find_map(|parameter| parameter.strip_prefix("CHARSET="));
        let charset = charset.and_then(|label| TextEncoding::named(label.trim_matches('"')).ok());
        let encoding = charset.unwrap_or(encoding);
        let value = match key.contains(QUOTED_PRINTABLE) {
            true => encoding.decode(&quoted_printable(value)).into_owned(),
            false => unescaped(&encoding.decode(value)),
        };
        match (property, open.last_mut()) {
            ("BEGIN", _) => {
                held += size_of::<OpenCard>() as u64;
                open.push(OpenCard::default());
            }
            ("END", Some(card)) => {
                card.write(table)?;
                open.pop();
                held *= u64::from(!open.is_empty());
            }
            ("FN", Some(card)) => {
                held += value.len() as u64;
                card.name = value;
            }
            ("N", Some(card)) if card.name.is_empty() => {
                held += value.len() as u64;
                value.replace(';', " ").trim().clone_into(&mut card.name);
            }
            ("EMAIL", Some(card)) => {
                held += (value.len() + size_of::<String>()) as u64;
                card.addresses.push(value);
            }
            _ => {}
        }
        table.check_held(held)
    })?;
    open.iter().try_for_each(|card| card.write(table))?;
    Ok(String::new())
}

/// Writes each entry's name and addresses: `mail` and its kin, and the addresses among
/// `proxyAddresses`.
pub(super) fn ldif<R: BufRead, W: Write>(
    input: R,
    table: &mut BoundedTable<W>,
) -> Result<String, ImportError> {
    const MAIL: [&str; 8] = [
        "mail",
        "email",
        "emailaddress",
        "rfc822mailbox",
        "mailalternateaddress",
        "gosamailalternateaddress",
        "mozillasecondemail",
        "othermailbox",
    ];
    table.row(&["dn", "cn", "mail"])?;
    let mut entry: Option<[String; 3]> = None;
    let encoding = table.encoding.unwrap_or(TextEncoding::UTF_8);
    each_line(
        input,
        |_| false,
        |line| {
            let line = encoding.decode(line);
            if line.is_empty() {
                return entry.take().map_or(Ok(()), |entry| table.row(&entry));
            }
            let Some((key, value)) = line.split_once(':') else { return Ok(()) };
            let value = match value.strip_prefix(':') {
                Some(coded) => base64(coded.trim()).unwrap_or_default(),
                None => value.trim_start().to_owned(),
            };
            let key = key.split(';').next().unwrap_or_default().to_ascii_lowercase();
            if key == "dn" {
                if let Some(entry) = entry.take() {
                    table.row(&entry)?;
                }
                entry = Some([value, String::new(), String::new()]);
                return Ok(());
            }
            let Some([_, name, mail]) = &mut entry else { return Ok(()) };
            let is_proxy =
                key == "proxyaddresses" && value.to_ascii_lowercase().starts_with("smtp:");
            if MAIL.contains(&&*key) || is_proxy {
                if !mail.is_empty() {
                    mail.push_str("; ");
                }
                mail.push_str(&value);
                table.check_held(mail.len() as u64)?;
            } else if key == "cn" || key == "displayname" && name.is_empty() {
                *name = value;
            }
            Ok(())
        },
    )?;
    if let Some(entry) = entry {
        table.row(&entry)?;
    }
    Ok(String::new())
}

/// The coding of vCard 2.1, as a parameter names it.
const QUOTED_PRINTABLE: &str = "QUOTED-PRINTABLE";

/// The name and the parameters of a vCard's property, in capitals, and its value.
fn property(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().take(MAX_KEY).position(|b| *b == b':')?;
    Some((String::from_utf8_lossy(&line[..colon]).to_ascii_uppercase(), &line[colon + 1..]))
}

/// `true` if a value of a vCard 2.1 goes on in the next line, whatever that begins with (RFC 2045
/// section 6.7, rule 5).
fn is_soft_break(line: &[u8]) -> bool {
    line.ends_with(b"=") && property(line).is_some_and(|(key, _)| key.contains(QUOTED_PRINTABLE))
}

/// `true` for the line that begins or ends a card: no value goes on over it.
fn is_edge(line: &[u8]) -> bool {
    let edges: [&[u8]; 2] = [b"BEGIN:VCARD", b"END:VCARD"];
    edges.iter().any(|edge| line.trim_ascii().eq_ignore_ascii_case(edge))
}

/// Calls `each` with every line, folded ones joined (a line that begins with a space or a tab goes
/// on the one before it, and so does one below a line that `is_broken`); lines end with LF or CRLF.
/// Comments of LDIF are left out.
fn each_line(
    mut input: impl BufRead,
    is_broken: impl Fn(&[u8]) -> bool,
    mut each: impl FnMut(&[u8]) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let (mut joined, mut line) = (None::<Vec<u8>>, Vec::new());
    loop {
        line.clear();
        let is_end =
            std::io::Read::take(&mut input, MAX_LINE as u64).read_until(b'\n', &mut line)? == 0;
        let end = line.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |last| last + 1);
        let text = &line[..end];
        if !is_end && let Some(whole) = joined.as_mut() {
            let folded = text.strip_prefix(b" ").or_else(|| text.strip_prefix(b"\t"));
            let is_soft = is_broken(whole) && !is_edge(text);
            if is_soft {
                whole.pop();
            }
            let more = if is_soft { Some(text) } else { folded };
            if let Some(more) = more {
                if whole.len() < MAX_LINE {
                    whole.extend_from_slice(more);
                }
                continue;
            }
        }
        if let Some(whole) = joined.take().filter(|whole| !whole.starts_with(b"#")) {
            each(whole.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&whole))?;
        }
        if is_end {
            return Ok(());
        }
        joined = Some(text.to_vec());
    }
}

/// A value of a vCard: `\,` `\;` `\n` `\\` (RFC 6350 section 3.4).
fn unescaped(value: &str) -> String {
    let (mut out, mut chars) = (String::with_capacity(value.len()), value.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => out.push(' '),
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// A value of a vCard 2.1: `=40` for `@` (RFC 2045 section 6.7).
fn quoted_printable(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    // The line that it would go on in is not there.
    let mut rest = value.strip_suffix(b"=").unwrap_or(value);
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .filter(|_| first == b'=')
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code {
            Some(code) => {
                out.push(code);
                rest = &after[2..];
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

/// A value of LDIF behind `::` (RFC 4648 section 4).
fn base64(coded: &str) -> Option<String> {
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for b in coded.bytes().filter(|b| *b != b'=' && !b.is_ascii_whitespace()) {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
