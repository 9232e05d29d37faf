//! Whether the text around an address leaves no doubt where it begins and where it ends. Pure.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

use super::marks;

/// Words that stand directly before an address and its mark, and say what follows.
const LABELS: [&str; 78] = [
    "e-mail",
    "e-mails",
    "email",
    "emails",
    "mail",
    "mails",
    "mailto",
    "smtp",
    "sip",
    "sips",
    "xmpp",
    "internet",
    "rfc",
    "utf",
    "to",
    "cc",
    "bcc",
    "from",
    "sender",
    "reply-to",
    "replyto",
    "address",
    "adresse",
    "addr",
    "contact",
    "kontakt",
    "contacto",
    "contatto",
    "recipient",
    "user",
    "username",
    "login",
    "account",
    "home",
    "work",
    "other",
    "custom",
    "main",
    "direct",
    "secondary",
    "alternate",
    "skype",
    "msn",
    "acct",
    "imap",
    "kunde",
    "customer",
    "office",
    "private",
    "privat",
    "business",
    "primary",
    "personal",
    "e-mail-adresse",
    "mailadresse",
    "e-post",
    "e-mailadres",
    "mailadres",
    "epost",
    "epostadress",
    "e-postadress",
    "mejl",
    "netfang",
    "meil",
    "courriel",
    "mél",
    "correo",
    "correu",
    "correio",
    "posta",
    "poczta",
    "e-posta",
    "e-pasts",
    "почта",
    "пошта",
    "имейл",
    "емейл",
    "мейл",
];

/// Labels that are parts of names, too: only a colon makes them labels.
const BEFORE_A_COLON: [&str; 4] = ["an", "von", "para", "de"];

/// Words between two addresses.
const AND: [&str; 14] =
    ["or", "and", "und", "oder", "et", "ou", "y", "o", "e", "en", "of", "och", "i", "lub"];

/// `true` if the text before an address ends so that the address clearly begins behind it.
pub(super) fn before_is_clear(before: &str, address: &str, follows_another: bool) -> bool {
    let bare = before.trim_end();
    let Some(last) = bare.chars().next_back() else { return true };
    // In `\n`, `\r` and `\t` of a program the letter is no part of the name.
    let is_escape =
        last == '\\' && bare.len() == before.len() && address.starts_with(['n', 'r', 't']);
    if last == '@' || is_escape {
        return false;
    }
    if bare.len() == before.len() {
        return !last.is_alphanumeric() && glued_word(before, address, follows_another).is_none();
    }
    let word = bare.rsplit(' ').next().unwrap_or(bare);
    // A space slipped in behind a mark of the local part.
    let body = word.trim_end_matches(['.', '_', '-', '+', '&', '\'', '\u{2019}']);
    let count = |mark: char| bare.matches(mark).count();
    let is_cut = match last {
        '.' => word != ".",
        '_' | '+' | '&' => !body.is_empty(),
        // Two words are a name and no first half of a local part: `Jane Doe- jane@`.
        '-' => {
            let ahead = bare[..bare.len() - word.len()].trim_end();
            let is_name =
                body.starts_with(char::is_alphabetic) && ahead.ends_with(char::is_alphanumeric);
            !body.is_empty() && !is_name
        }
        // One that closes nothing.
        '\'' => !body.is_empty() && count('\'') % 2 == 1,
        '\u{2019}' => !body.is_empty() && count('\u{2018}') < count('\u{2019}'),
        last => last.is_alphanumeric(),
    };
    let is_ordinal = last == '.' || last == '-';
    let is_ordinal = is_ordinal && !body.is_empty() && body.bytes().all(|b| b.is_ascii_digit());
    let is_label = body.len() < word.len() && is_label(body);
    let is_and = follows_another && AND.contains(&&*word.to_lowercase());
    !is_cut || is_ordinal || is_label || is_and
}

/// The word that a mark divides from an address, where the mark may have been struck for one of the
/// local part: `mary;` before `jane@`. A label is none, nor are several words.
pub(super) fn glued_word<'t>(
    before: &'t str,
    address: &str,
    follows_another: bool,
) -> Option<&'t str> {
    let mark = before.chars().next_back()?;
    let rest = &before[..before.len() - mark.len_utf8()];
    let is_in_word = |c: char| c.is_alphanumeric() || "._-+".contains(c) || marks::is_hyphen(c);
    let ahead = rest.trim_end_matches(is_in_word);
    let word = &rest[ahead.len()..];
    let lower = word.to_lowercase();
    let said_again = address.to_lowercase();
    let said_again = said_again.strip_prefix(&lower);
    // Nobody has `jane.jane@`: a word that the address says again is its label.
    let is_repeated = word.chars().count() > 1
        && said_again.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    let is_labelling = mark == ':' && BEFORE_A_COLON.contains(&&*lower);
    if !word.contains(char::is_alphabetic) || is_label(word) || is_labelling || is_repeated {
        return None;
    }
    let (Some(end), Some(start)) = (word.chars().next_back(), address.chars().next()) else {
        return None;
    };
    let may_glue = match mark {
        ',' | ':' | ';' | '\\' => true,
        // It ends no tag.
        '>' => !before.contains('<'),
        // It closes nothing.
        '"' => before.matches('"').count() % 2 == 1,
        mark if mark.is_ascii() || marks::is_opening(mark) => false,
        mark => !marks::is_closing(mark) || !before.contains(marks::is_opening),
    };
    let is_labelled = ahead.ends_with(' ') && ahead.trim_end().ends_with([':', '=']);
    let is_alone = if follows_another {
        ahead.ends_with(' ') && ahead.trim_matches([' ', ',', ';', '|', '/', '>']).is_empty()
    } else {
        let opens = |c: char| "<([{\"".contains(c) || marks::is_opening(c);
        ahead.is_empty() || is_labelled || ahead.ends_with(opens)
    };
    let is_glued =
        may_glue && (is_alone || marks::is_hyphen(mark)) && marks::is_same_side(end, start);
    is_glued.then_some(word)
}

/// `true` for a word that says that an address follows: `email`, `to`, `work2`.
fn is_label(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| c.is_ascii_digit() || "._-".contains(c));
    let word = word.to_lowercase();
    LABELS.contains(&&*word) || word.contains("email") || word.contains("e-mail")
}

/// `true` if the text behind an address begins so that the address clearly ends before it.
pub(super) fn after_is_clear(address: &str, after: &str) -> bool {
    let mut rest = after.chars();
    let (Some(first), second) = (rest.next(), rest.next()) else { return true };
    if longer_address(address, after).is_some() {
        return false;
    }
    let is_dotted = has_dotted_domain(address);
    let goes_on = second.is_some_and(char::is_alphanumeric);
    if !is_dotted && touches_word(after) {
        return false;
    }
    match first {
        // A bracket closes what a bracket opened.
        '>' | ')' | ']' => true,
        ' ' => is_dotted && !after.trim_start().starts_with(['.', ',', '@']),
        // A comma inside a domain, as in `acme,test`.
        ',' | '.' if is_dotted => !goes_on,
        ',' | '.' => !after.contains(char::is_alphanumeric),
        ':' | ';' => is_dotted || !goes_on,
        '?' => second.is_none() || is_query(after),
        '%' => is_dotted && after[1..].to_ascii_lowercase().starts_with("smtp:"),
        '#' | '&' | '=' | '+' | '~' | '^' | '@' => false,
        first if may_be_mistyped(first) => !goes_on,
        first if !first.is_ascii() => is_dotted || !goes_on,
        _ => is_dotted || !first.is_alphanumeric(),
    }
}

/// `true` if a word follows behind marks that neither open something nor divide entries. Behind a
/// domain without a dot such a mark may stand for the dot (`gmail/com`), for letters (`g***.com`),
/// or make a scheme of the domain (`http://`).
fn touches_word(after: &str) -> bool {
    let mut rest = after.chars();
    let is_within = rest.next().is_some_and(|mark| !" ,;<([{".contains(mark));
    let is_mark = |c: char| !c.is_alphanumeric() && !" ,;<\"|".contains(c);
    is_within && rest.as_str().trim_start_matches(is_mark).starts_with(char::is_alphanumeric)
}

/// `true` for what a program sets for a hyphen or a sign: no end of a domain, if a letter follows.
fn may_be_mistyped(mark: char) -> bool {
    marks::is_hyphen(mark)
        || !mark.is_ascii() && mark.general_category_group() == GeneralCategoryGroup::Symbol
}

/// `true` if a mark follows that may stand for one of the domain, which ends in no suffix that
/// there is.
pub(super) fn may_go_on(address: &str, after: &str) -> bool {
    let domain = address.rsplit_once('@').map_or(address, |(_, domain)| domain);
    after.starts_with(may_be_mistyped) && suffix_length(domain, false).is_none()
}

/// The address with the rest of its domain, where what stands behind it makes its suffix longer:
/// `maria@yahoo.com` before ` br`, or `jane@mail.acme` before `,com`.
pub(super) fn longer_address(address: &str, after: &str) -> Option<String> {
    let (_, domain) = address.rsplit_once('@').filter(|(_, domain)| !domain.starts_with('['))?;
    let rest = after.trim_start_matches([' ', '.', ',', ';', ':']);
    let gap = &after[..after.len() - rest.len()];
    let is_spaced = gap.contains(' ');
    if gap.is_empty() || is_spaced && gap.contains([';', ':']) || !has_dotted_domain(address) {
        return None;
    }
    let end = rest.find(|c: char| !c.is_alphanumeric() && !"-.,".contains(c));
    let run = rest[..end.unwrap_or(rest.len())].trim_end_matches(['-', '.', ',']);
    let behind = &rest[run.len()..];
    let is_and = is_spaced && AND.contains(&&*run.to_lowercase());
    // Words that go on are words: `wei@gmail.com Ng Wei`, `jane@acme.com in Berlin`.
    let next = behind.strip_prefix(' ').filter(|_| is_spaced);
    let are_words = next.is_some_and(|word| word.starts_with(char::is_alphanumeric));
    if run.is_empty() || is_and || are_words || behind.starts_with('@') {
        return None;
    }
    // Behind a space only the whole of it counts: `Ph.D.` is no `ph`.
    let first = if is_spaced { run } else { run.split(['.', ',']).next().unwrap_or(run) };
    [run, first].into_iter().find_map(|tail| {
        let tail = tail.replace(',', ".");
        let joined = format!("{domain}.{tail}");
        // A word is no more than that, unless a registry has such names.
        let length = suffix_length(&joined, is_spaced)?;
        let is_longer = length > tail.len() && length < joined.len();
        let is_end = !is_spaced && suffix_length(domain, false).is_none();
        (is_longer || is_end).then(|| format!("{address}.{tail}"))
    })
}

/// The length of the known public suffix that `domain` ends in; where `is_registry`, only of one
/// that a registry runs.
fn suffix_length(domain: &str, is_registry: bool) -> Option<usize> {
    let domain = domain.to_lowercase();
    let suffix = psl::suffix(domain.as_bytes()).filter(|suffix| suffix.is_known())?;
    let is_private = suffix.typ() == Some(psl::Type::Private);
    (!is_registry || !is_private).then(|| suffix.as_bytes().len())
}

/// `true` if `text` begins as the second half of a link does: `?subject=`.
fn is_query(text: &str) -> bool {
    text.strip_prefix('?').and_then(|rest| rest.split_once('=')).is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
    })
}

/// `true` if `text` is in the second half of a link to the end.
pub(super) fn is_in_query(text: &str) -> bool {
    is_query(text) && !text.contains([' ', '<', '>', '"', ')', ']'])
}

/// `text` behind the second half of a link, if it begins with one.
pub(super) fn without_query(text: &str) -> &str {
    if !is_query(text) {
        return text;
    }
    text.find([' ', '<', '>', '"', ')', ']']).map_or("", |end| &text[end..])
}

/// `true` if a dot stands inside the domain that `text` ends in.
pub(super) fn has_dotted_domain(text: &str) -> bool {
    let domain = text.rsplit_once('@').map_or(text, |(_, domain)| domain);
    let domain = domain.split(' ').next().unwrap_or(domain).trim_matches('.');
    domain.starts_with('[') || domain.contains('.') || domain.contains(marks::is_wide_dot)
}

#[cfg(test)]
mod tests {
    use super::super::clean;
    use crate::address::Address;

    #[test]
    fn a_mark_that_may_stand_for_the_dot_of_a_domain_does_not_end_it() {
        for mark in ["/", ")", "]", ">", "'", "\"", "!", "|", "$", "`", "*", "}", "\\"] {
            let text = format!("jane@acme{mark}test");
            let cleaned = clean(&text);
            assert!(Address::parse(&cleaned.address).is_err(), "{text}: {cleaned:?}");
            assert!(cleaned.others.is_empty(), "{text}: {cleaned:?}");
        }
        for text in ["j***e@a***.test", "jane@g*****.test", "jane@acme/news.test"] {
            assert!(Address::parse(&clean(text).address).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_behind_the_at_sign_is_no_domain_and_shows_which_was_meant() {
        for text in
            ["jane@http://acme.test", "jane@https://acme.test/", "jane@https://acme.test/contact"]
        {
            let cleaned = clean(text);
            assert!(Address::parse(&cleaned.address).is_err(), "{text}: {cleaned:?}");
            assert_eq!(cleaned.likely.as_deref(), Some("jane@acme.test"), "{text}");
        }
    }

    #[test]
    fn a_domain_without_a_dot_ends_where_something_else_begins() {
        for text in [
            "<root@localhost>",
            "Root <root@localhost>, and others",
            "root@localhost(Root)",
            "root@localhost<br>",
            "root@localhost/",
            "\"root@localhost\",\"Root\"",
            "'root@localhost','Root'",
            "<a href=\"mailto:root@localhost\">root@localhost</a>",
        ] {
            assert_eq!(clean(text).address, "root@localhost", "{text}");
        }
    }
}
