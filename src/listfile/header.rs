//! Names that columns of addresses have, in many languages.

use std::collections::HashSet;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::address::clean::clean;

/// The strength with which a header's name says that its column holds addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameTier {
    /// Nothing.
    #[default]
    Other,
    /// It speaks of mail, or of addresses of some kind: `address`, `email opt-in`, `Owner Email`.
    Related,
    /// It is a name for the e-mail addresses of somebody in a part: `Work e-mail 2`, `buyer_email`.
    Qualified,
    /// It is a name for e-mail addresses: `E-Mail`, `courriel`, `メールアドレス`.
    Address,
}

/// Names for e-mail addresses, language by language. Case, accents and everything but letters
/// and digits do not count.
const NAMES: &str = "\
email, e-mails, mail, email address, email addresses, mail address, email adress, email addr,
mails, mail addresses, primary email, e-mail 1 value, email address 1, email id, email 1,
smtp address, proxy addresses, mailto,
E-Mail-Adresse, E-Mail-Adressen, Mailadresse, E-Post, e-mailadres, mailadres,
e-postadresse, epostadress, mejl, mejladress, netfang, tölvupóstur, sähköposti, sähköpostiosoite,
e-posti aadress, meil,
courriel, adresse e-mail, adresse mail, adresse courriel, adresse électronique,
adresse de courriel, adresse de messagerie, mél,
correo, correo electrónico, correos, dirección de correo, dirección de correo electrónico,
dirección de email, correu, correu electrònic, correio eletrónico, endereço de email,
endereço eletrônico, correio electrónico, endereço de correio eletrônico,
endereço de correio electrónico, enderezo de correo,
posta elettronica, indirizzo posta elettronica, indirizzo email, indirizzo mail,
indirizzo di posta elettronica,
adresă de email, adresa e-mail, poștă electronică,
adres e-mail, adres mailowy, adres poczty elektronicznej, poczta elektroniczna, poczta,
e-mailová adresa, mailová adresa, e-poštová adresa, e-naslov,
elektronska pošta, e-poštni naslov, e-adresa,
el. paštas, elektroninis paštas, e-pasts, e-pasta adrese, e-mail cím, e-posta, e-posta adresi,
ηλεκτρονική διεύθυνση, ηλεκτρονικό ταχυδρομείο, ιμέιλ,
почта, эл. почта, электронная почта, адрес электронной почты, имейл, емейл, мейл, пошта,
e-mail адрес, адрес эл. почты, адрес почты, електронна пошта, електронна адреса, ел. пошта,
имейл адрес, електронна поща,
البريد الإلكتروني, بريد إلكتروني, الايميل, ایمیل, پست الکترونیک, אימייל, מייל, דואר אלקטרוני,
ईमेल, ईमेल पता, อีเมล, thư điện tử, địa chỉ email, alamat email, surel,
邮箱, 电子邮箱, 电子邮件, 电子邮件地址, 邮件地址, 电邮, 邮箱地址, 電子郵件, 電郵, 電子信箱, 電子郵件地址, 電子郵箱,
信箱,
メール, メールアドレス, eメールアドレス, 電子メール, 電子メールアドレス, eメール, メアド,
이메일, 이메일 주소, 전자우편, 전자우편 주소, 전자 메일, 전자 메일 주소, 메일";

/// Words beside a name for addresses that say whose they are, or nothing.
const WHOSE: &str = "\
work, business, company, corporate, office, billing, shipping, invoice, person, personal, private,
home, lead, attendee, guest, login, subscriber, contact, customer, client, user, recipient, member,
student, employee, staff, buyer, purchaser, registrant, participant, donor, parent, guardian,
applicant, candidate, patient, account, primary, main, default, preferred, payer, payee, respondent,
visitor, prospect, supporter, volunteer, delegate, invitee, traveller, traveler, partner, vendor,
supplier, author, teacher, tenant, holder, order, organizer, school, your, my, their, the, of, for,
what, which, is, are, s, please, enter, provide, required, optional, value, addr, address, field,
text, c, at, best, can, we, reach, you, registered, registration, smtp, online, individual, entity,
privat, geschäftlich, dienstlich, kunde, kunden, kontakt, firma, ihre, deine, meine, teilnehmer,
professionnel, professionnelle, personnel, personnelle, votre, principal, principale, trabajo,
laboral, cliente, su, tu, de, del, do, da, du, des, der, van, la, le, el, contacto, aziendale,
klant, zakelijk, prive, werk, pessoal,
comercial, praca, firmowy, klienta";

/// Words beside a name for addresses that say that they are further ones of the same people.
const FURTHER: &str = "\
other, others, second, secondary, third, alternate, alternative, alt, additional, further, extra,
backup, weitere, zweite, zweit, andere, alternativ, sekundär, autre, autres, secondaire, deuxième,
supplémentaire, otro, otros, secundario, segundo, alternativo, adicional, outro, outros, altro,
altra, secondaria, seconda, aggiuntiva, tweede, andra, anden, druga, dodatkowy, další, второй";

/// [`FURTHER`] as it is looked up.
static FOLDED_FURTHER: LazyLock<HashSet<String>> =
    LazyLock::new(|| listed(FURTHER).map(fold).collect());

/// [`WHOSE`] as it is looked up.
static FOLDED_WHOSE: LazyLock<HashSet<String>> =
    LazyLock::new(|| listed(WHOSE).map(fold).collect());

/// [`NAMES`] as they are looked up.
static FOLDED: LazyLock<HashSet<String>> = LazyLock::new(|| names().map(fold).collect());

fn names() -> impl Iterator<Item = &'static str> {
    listed(NAMES)
}

fn listed(names: &'static str) -> impl Iterator<Item = &'static str> {
    names.split([',', '\n']).filter(|name| !name.trim().is_empty())
}

/// Words that an example of an address follows, folded.
const EXAMPLES: &str = "\
e.g., ex, example, examples, format, like, such, z.B., bsp, beispiel, ej, p.ej., ejemplo, exemple,
exemplo, esempio, bijv, bv, voorbeeld, np, przykład, пример, например, напр, приклад, örnek, 例,
例えば, 例如, 예";

/// Local parts of addresses that are nobody's.
const NOBODY: [&str; 7] =
    ["name", "yourname", "your.name", "you", "username", "someone", "example"];

/// [`EXAMPLES`] as they are looked up.
static FOLDED_EXAMPLES: LazyLock<HashSet<String>> =
    LazyLock::new(|| listed(EXAMPLES).map(fold).collect());

/// `true` for a name with an example in it, as forms have them: `Your email (e.g. name@gmail.com)`.
/// A cell with somebody's address is none: `Office mail (office@acme.test)`.
fn has_example(name: &str) -> bool {
    without_example(name).len() < name.len() && tier(name) >= NameTier::Related
}

/// A name without the example in it.
pub(super) fn without_example(name: &str) -> &str {
    if !name.contains('@') {
        return name;
    }
    let is_end = |c: char| c.is_whitespace() || "([:,".contains(c);
    let word_at = |start: usize| {
        let rest = &name[start..];
        &rest[..rest.find(is_end).unwrap_or(rest.len())]
    };
    let starts = std::iter::once(0)
        .chain(name.char_indices().filter(|(_, c)| is_end(*c)).map(|(at, c)| at + c.len_utf8()));
    let mut starts = starts.filter(|start| FOLDED_EXAMPLES.contains(&fold(word_at(*start))));
    let (marked, bracket) = (starts.next(), name.find(['(', '[']));
    let end = match (bracket, marked) {
        (Some(bracket), Some(marked)) => bracket.min(marked),
        (Some(bracket), None) if !holds_address(&name[bracket..]) => bracket,
        (None, Some(marked)) => marked,
        _ => name.len(),
    };
    let without = name[..end].trim_end_matches(|c: char| !c.is_alphanumeric());
    if without.contains('@') { name } else { without }
}

/// `true` for a cell with somebody's address in it, so that its row is no header. A sign alone is
/// none: `Twitter (@handle)`.
pub(super) fn names_somebody(cell: &str) -> bool {
    cell.contains('@')
        && !has_example(cell)
        && (holds_address(cell) || !clean(cell).address.is_empty())
}

/// `true` if a text holds an address that may be somebody's.
fn holds_address(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || "()[]<>\"'".contains(c)).any(|word| {
        let Some((local, domain)) = word.rsplit_once('@') else { return false };
        let is_nobody = local.is_empty()
            || NOBODY.iter().any(|nobody| local.eq_ignore_ascii_case(nobody))
            || domain.to_ascii_lowercase().starts_with("example.");
        !is_nobody
    })
}

/// Those of [`WHOSE`] that name the other side of a sale, a class or an event, folded: one of them
/// stands beside every customer, parent or guest.
const OTHER_SIDE: [&str; 3] = ["vendor", "teacher", "organizer"];

/// `true` for the name of a column with the addresses of the other side: `Vendor Email`.
pub(super) fn is_other_side(name: &str) -> bool {
    words(without_example(name)).iter().any(|word| OTHER_SIDE.contains(&&**word))
}

/// The tier of `name`.
pub(super) fn tier(name: &str) -> NameTier {
    let name = without_example(name);
    let folded = fold(name);
    // A column that was appended by an earlier run repeats another one.
    if folded.is_empty() || folded.starts_with("mailvet") {
        return NameTier::Other;
    }
    if FOLDED.contains(&folded) {
        return NameTier::Address;
    }
    if let Some(beside) = words_beside(name) {
        // Any other word (`status`, `owner`) makes it one of something else, or of somebody else.
        let is_qualified = beside.iter().all(|word| says_whose(word));
        return if is_qualified { NameTier::Qualified } else { NameTier::Related };
    }
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    let speaks_of_mail = ["email", "correo", "courriel"].iter().any(|word| folded.contains(word))
        || words.any(|word| ["address", "addresses", "adresse"].contains(&&*fold(word)))
        || folded == "userprincipalname";
    if speaks_of_mail { NameTier::Related } else { NameTier::Other }
}

/// `true` for the name of a column with addresses of the people of a list, further ones of theirs
/// too: `Secondary Email`, which is no name to choose a column by.
pub(super) fn is_theirs(name: &str) -> bool {
    let is_further = |word: &String| says_whose(word) || FOLDED_FURTHER.contains(word);
    tier(name) >= NameTier::Qualified
        || words_beside(without_example(name)).is_some_and(|beside| beside.iter().all(is_further))
}

fn says_whose(word: &str) -> bool {
    FOLDED_WHOSE.contains(word) || word.bytes().all(|b| b.is_ascii_digit())
}

/// The words beside the longest name for addresses in `name`; `None` if there is none. A question
/// of a form may be a sentence; prose is none.
fn words_beside(name: &str) -> Option<Vec<String>> {
    let mut words = words(name);
    if words.len() > MOST_WORDS {
        return None;
    }
    let (from, to) = longest_name(&words)?;
    words.drain(from..to);
    Some(words)
}

/// The most words that a column's name has.
const MOST_WORDS: usize = 12;

/// The words of a name, folded: `PersonEmail2` is `person`, `email`, `2`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in name.chars() {
        let is_new = !c.is_alphanumeric()
            || before.is_lowercase() && c.is_uppercase()
            || before.is_alphanumeric() && before.is_ascii_digit() != c.is_ascii_digit();
        if is_new && !word.is_empty() {
            words.push(fold(&word));
            word.clear();
        }
        if c.is_alphanumeric() {
            word.push(c);
        }
        before = c;
    }
    if !word.is_empty() {
        words.push(fold(&word));
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The place of the longest name for addresses among `words`.
fn longest_name(words: &[String]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize)> = None;
    for from in 0..words.len() {
        let mut joined = String::new();
        for (to, word) in words.iter().enumerate().skip(from) {
            joined.push_str(word);
            let length = to + 1 - from;
            if FOLDED.contains(&joined) && best.is_none_or(|(a, b)| length > b - a) {
                best = Some((from, to + 1));
            }
        }
    }
    best
}

/// Letters and digits, without case and accents.
pub(super) fn fold(name: &str) -> String {
    name.nfkd()
        .filter(|c| c.is_alphanumeric() && !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_address_columns_are_known_in_many_languages() {
        for name in [
            "email",
            "E-Mail",
            "EMAIL_ADDRESS",
            " e mail ",
            "mail",
            "E-Mail-Adresse",
            "correo",
            "Correo electrónico",
            "CORREO ELECTRONICO",
            "courriel",
            "Adresse e-mail",
            "e-postadresse",
            "Почта",
            "メールアドレス",
            "ﾒｰﾙｱﾄﾞﾚｽ",
            "电子邮箱",
            "이메일",
            "전자 메일 주소",
            "电子邮件地址",
            "Endereço de correio eletrônico",
            "Indirizzo posta elettronica",
            "E-posta",
            "Email:",
        ] {
            assert_eq!(tier(name), NameTier::Address, "{name}");
        }
    }

    #[test]
    fn names_that_say_whose_address_it_is_come_next() {
        for name in [
            "Private E-Mail",
            "workEmail2",
            "mail (2)",
            "PersonEmail",
            "billing_email",
            "Attendee Email",
            "E-mail 2 - Value",
            "What's your email address?",
            "Email Address [Required]",
            "PrimarySmtpAddress",
            "Contact: Email",
            "CUSTOMER_EMAIL_ADDRESS",
            "E-Mail (geschäftlich)",
            "Email__c",
            "Staff Email",
            "Partner Email",
            "Supplier E-Mail",
            "Vendor Email",
            "Teacher Email",
            "Organizer E-Mail",
        ] {
            assert_eq!(tier(name), NameTier::Qualified, "{name}");
        }
    }

    #[test]
    fn an_example_is_no_part_of_a_name() {
        for name in [
            "Your email (e.g. name@gmail.com)",
            "E-Mail (z. B. max@firma.test, z.B. eva@firma.test)",
            "Email address, for example jane@acme.test",
            "Correo electrónico - ej: ana@acme.test",
            "Email [name@company.com]",
            "E-mail (jane@example.org)",
            "Email (only @acme.com)",
        ] {
            assert!(has_example(name) && tier(name) >= NameTier::Qualified, "{name}");
        }
        for cell in [
            "Office mail (office@acme.test)",
            "Mail <jane@acme.test>",
            "Email: jane@acme.test",
            "jane@acme.test (Email, e.g. at work)",
            "Jane Doe (e.g. jane@acme.test)",
            "Email",
        ] {
            assert!(!has_example(cell), "{cell}");
        }
    }

    #[test]
    fn a_cell_names_somebody_if_an_address_stands_in_it() {
        for name in ["Twitter (@handle)", "Instagram @", "@", "Email (your @acme.com one)", "Email"]
        {
            assert!(!names_somebody(name), "{name}");
        }
        for cell in
            ["jane@acme.test", "jane @ acme.test", "Email: jane@acme.test", "jane@", "a@b@c"]
        {
            assert!(names_somebody(cell), "{cell}");
        }
    }

    #[test]
    fn names_that_speak_of_mail_are_related_and_others_are_not() {
        for name in [
            "address",
            "email_opt_in",
            "Owner Email",
            "Email Status",
            "Recovery Email",
            "E-mail 1 - Type",
            "UserPrincipalName",
            "alternate_emails",
        ] {
            assert_eq!(tier(name), NameTier::Related, "{name}");
        }
        for name in ["", "--", "name", "Mailing Street", "id", "verdict", "gmailish"] {
            assert_eq!(tier(name), NameTier::Other, "{name}");
        }
    }

    #[test]
    fn no_name_is_listed_twice() {
        let mut names: Vec<String> = names().map(fold).collect();
        assert!(names.len() > 100);
        names.sort();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
