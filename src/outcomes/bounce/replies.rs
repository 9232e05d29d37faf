//! SMTP replies within the words of a bounce.

/// Number of bytes of one reply that are read.
const MAX_REPLY: usize = 1000;

/// Number of replies that are taken from one text.
const MAX_REPLIES: usize = 8;

/// Number of bytes before a reply that are read.
const MAX_BEFORE: usize = 160;

/// Lines that one reply may go over.
const MAX_REPLY_LINES: usize = 12;

/// Words that introduce a reply.
const INTRODUCTIONS: [&str; 8] =
    ["said", "smtp", "error", "code", "reply", "response", "returned", "responsecode"];

/// A reply that refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefusingReply<'a> {
    /// The reply, from its code on.
    pub(super) text: &'a str,
    /// The words before it, which may name the command.
    pub(super) before: &'a str,
}

/// The replies that refuse, in their order, each from its code to the end of its paragraph or to
/// the next step of the session; and the words between them.
pub(super) fn split(text: &str) -> (Vec<RefusingReply<'_>>, Vec<&str>) {
    let (mut found, mut prose) = (Vec::new(), Vec::new());
    let (mut at, mut end_of_last) = (0, 0);
    for line in text.split_inclusive('\n') {
        if at >= end_of_last
            && found.len() < MAX_REPLIES
            && let Some(start) = start_of_reply(line)
        {
            let reply = to_its_end(&text[at + start..]);
            let before = &text[end_of_last..at + start];
            end_of_last = at + start + reply.len();
            found.push(RefusingReply { text: reply, before: &before[last_chars(before)..] });
            prose.push(before);
        }
        at += line.len();
    }
    prose.push(&text[end_of_last..]);
    (found, prose)
}

/// The offset of the last [`MAX_BEFORE`] bytes.
fn last_chars(text: &str) -> usize {
    text.ceil_char_boundary(text.len().saturating_sub(MAX_BEFORE))
}

/// The offset of a reply's code in a line.
fn start_of_reply(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut from = 0;
    while let Some(next) = line.get(from..)?.find(['4', '5']) {
        let at = from + next;
        from = at + 1;
        let is_code = bytes.len() >= at + 3
            && bytes[at + 1..at + 3].iter().all(u8::is_ascii_digit)
            && matches!(bytes.get(at + 3), None | Some(b' ' | b'-' | b'\r' | b'\n' | b':' | b','));
        if is_code && is_introduced(&line[..at], &line[at + 3..]) {
            return Some(at);
        }
    }
    None
}

fn is_introduced(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    let opens = before.is_empty() || before.ends_with([':', '<', '>', '(', ';', '"', '\'', '=']);
    let word = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    opens
        || INTRODUCTIONS.iter().any(|known| known.eq_ignore_ascii_case(word))
        || has_status(after.trim_start_matches([' ', '-', '#']))
}

/// `true` if `text` begins like `5.1.1`.
fn has_status(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 5
        && matches!(bytes[0], b'4' | b'5')
        && bytes[1] == b'.'
        && bytes[2].is_ascii_digit()
        && bytes[3..].iter().take(3).any(|b| *b == b'.')
}

fn to_its_end(text: &str) -> &str {
    let mut end = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let trimmed = line.trim_start();
        let is_over = number > 0
            && (trimmed.is_empty()
                || trimmed.starts_with(['>', '<']) && !trimmed.contains('@')
                || trimmed.starts_with(">>>")
                || trimmed.starts_with("<<<"));
        if is_over || number >= MAX_REPLY_LINES || end + line.len() > MAX_REPLY {
            break;
        }
        end += line.len();
    }
    match end {
        0 => &text[..text.floor_char_boundary(MAX_REPLY)],
        end => text[..end].trim_end(),
    }
}
