//! Recipients in the words of a bounce, found by the form of a line and never by a `To:` in prose.

use crate::address::irregular;

/// The form of the line that names a recipient: the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LineForm {
    /// `<jane@acme.test>: user unknown`, as qmail, Postfix and Sendmail write it.
    Listed,
    /// `Recipient: <jane@acme.test>`.
    Labelled,
    /// `jane@acme.test`, alone on its line.
    Alone,
    /// `>>> RCPT TO:<jane@acme.test>`, before a reply that refuses.
    Transcript,
    /// `There was an error delivering your mail to <jane@acme.test>.`
    Sentence,
    /// `jane@acme.test Invalid address, 550 ...`
    Leading,
    /// `550 5.1.1 <jane@acme.test>... User unknown`
    Reply,
}

/// A recipient that a line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineRecipient<'a> {
    pub(super) form: LineForm,
    pub(super) address: &'a str,
    /// The words behind the address on the same line.
    pub(super) rest: &'a str,
}

/// Words of labels that stand before a recipient.
const LABELS: [&str; 14] = [
    "recipient",
    "recipients",
    "address",
    "addresses",
    "addressed",
    "delivery",
    "delivered",
    "deliver",
    "undeliverable",
    "undelivered",
    "mailbox",
    "user",
    "failed",
    "failure",
];

/// Words of labels that stand before somebody else.
const OTHERS: [&str; 9] =
    ["sender", "from", "contact", "reply", "by", "postmaster", "administrator", "support", "id"];

/// Words of a sentence about a delivery.
const DELIVERY: [&str; 8] = [
    "deliver",
    "your mail to",
    "your message to",
    "mail to",
    "message to",
    "reach",
    "sent to",
    "send to",
];

/// The recipient that `line` names, if it has one of the forms.
pub(super) fn recipient(line: &str) -> Option<LineRecipient<'_>> {
    if !line.contains('@') || line.len() > 2000 {
        return None;
    }
    let text = line.trim().trim_start_matches(['*', '-', '\u{2022}', '\u{b7}', '|', ' ', '\t']);
    if let Some(address) = command_recipient(text) {
        return Some(LineRecipient { form: LineForm::Transcript, address, rest: "" });
    }
    if let Some(found) = leading(text) {
        return Some(found);
    }
    labelled(text).or_else(|| reply(text)).or_else(|| sentence(text))
}

/// The address in `RCPT TO:<...>`, if the line shows that command of a session.
fn command_recipient(text: &str) -> Option<&str> {
    let at = find_ignoring_case(text, "rcpt to:")?;
    let before = text[..at].trim();
    let is_command = before.is_empty() || before.ends_with(['>', '<', ':']);
    let rest = text[at + "rcpt to:".len()..].trim_start();
    is_command.then(|| take_address(rest)).flatten().map(|(address, _)| address)
}

fn leading(text: &str) -> Option<LineRecipient<'_>> {
    let (first, behind) = take_address(text)?;
    // A name that looks like an address, before the address itself.
    let second = take_address(behind.trim_start()).filter(|_| behind.trim_start().starts_with('<'));
    let (address, rest) = second.unwrap_or((first, behind));
    let bracketed = text.starts_with(['<', '"', '\'', '(']);
    let rest = rest.trim_start();
    let form = match rest.chars().next() {
        None => LineForm::Alone,
        Some(':') => LineForm::Listed,
        Some('.') if rest.starts_with("...") => LineForm::Listed,
        Some('(' | '[' | ',' | ';') => LineForm::Listed,
        Some(_) if bracketed => LineForm::Listed,
        Some(_) => LineForm::Leading,
    };
    let rest = rest.trim_start_matches([':', '.', ' ', ',', ';']);
    Some(LineRecipient { form, address, rest })
}

fn labelled(text: &str) -> Option<LineRecipient<'_>> {
    let (label, value) = text.split_once(':')?;
    let label = label.to_ascii_lowercase();
    let has = |known: &[&str]| {
        label.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| known.contains(&word))
    };
    let fits = has(&LABELS) && !has(&OTHERS);
    let (address, rest) = take_address(value.trim().trim_start_matches("rfc822;").trim_start())?;
    let is_whole = rest.trim_matches(['.', ' ', ')', ',']).is_empty();
    (fits && is_whole).then_some(LineRecipient { form: LineForm::Labelled, address, rest: "" })
}

/// `550 5.1.1 <jane@acme.test>... User unknown`: the address right behind code and status.
fn reply(text: &str) -> Option<LineRecipient<'_>> {
    let text = text.trim_start_matches(['<', '>', ' ']);
    let code = text.get(..3)?;
    let is_code = code.bytes().all(|b| b.is_ascii_digit()) && code.starts_with(['4', '5']);
    let behind = text.get(3..)?.trim_start_matches(['-', ' ']);
    let behind = behind.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim_start();
    let (address, _) = take_address(behind)?;
    is_code.then_some(LineRecipient { form: LineForm::Reply, address, rest: text })
}

fn sentence(text: &str) -> Option<LineRecipient<'_>> {
    let lower = text.to_ascii_lowercase();
    let about_delivery = DELIVERY.iter().any(|word| lower.contains(word));
    let at = lower.find(" to ")?;
    if !about_delivery || lower.contains("contact") || lower.contains("reply to") {
        return None;
    }
    let behind = text[at + 4..].trim_start();
    let behind = behind.strip_prefix("address ").unwrap_or(behind);
    let (address, rest) = take_address(behind)?;
    Some(LineRecipient { form: LineForm::Sentence, address, rest })
}

/// The address that `text` begins with, in brackets, quotes or neither, and what follows it.
pub(super) fn take_address(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = match text.chars().next()? {
        '<' => text[1..].split_once('>')?,
        '(' => text[1..].split_once(')')?,
        '\'' => text[1..].split_once('\'')?,
        '"' if !text.contains("\"@") => text[1..].split_once('"')?,
        _ => {
            let end = text.find(|c: char| c.is_whitespace() || "<>()[],;:\"|".contains(c));
            let end = end.filter(|_| !text.starts_with('"')).unwrap_or(text.len());
            let word = text[..end].trim_end_matches(['.', '\'', '!', '*', '?']);
            (word, &text[word.len()..])
        }
    };
    let inside = inside.trim().trim_start_matches(['<', '"']).trim_end_matches(['>', '"']);
    let inside = match inside.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => &inside[7..],
        _ => inside,
    };
    irregular::parse(inside).is_ok().then_some((inside, rest))
}

fn find_ignoring_case(text: &str, word: &str) -> Option<usize> {
    text.to_ascii_lowercase().find(word)
}
