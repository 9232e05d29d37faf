//! Names that columns of addresses have, in many languages.

use std::collections::HashSet;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The strength with which a header's name says that its column holds addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameTier {
    /// Nothing.
    #[default]
    Other,
    /// It speaks of mail, or of addresses of some kind: `Work e-mail 2`, `address`, `email opt-in`.
    Related,
    /// It is a name for e-mail addresses: `E-Mail`, `courriel`, `メールアドレス`.
    Address,
}

/// Names for e-mail addresses, language by language. Case, accents and everything but letters
/// and digits do not count.
const NAMES: &str = "\
email, e-mails, mail, email address, email addresses, mail address, email adress, email addr,
primary email, work email, business email, company email, billing email, person email, lead email,
attendee email, guest email, user mail, login email, e-mail 1 value, email address 1,
email id, email 1, subscriber email, contact email, customer email,
user email, recipient email, smtp address, user principal name,
E-Mail-Adresse, E-Mail-Adressen, Mailadresse, E-Post, e-mailadres, mailadres,
e-postadresse, epostadress, mejl, mejladress, netfang, tölvupóstur, sähköposti, sähköpostiosoite,
e-posti aadress, meil,
courriel, adresse e-mail, adresse mail, adresse courriel, adresse électronique,
adresse de courriel, adresse de messagerie, mél,
correo, correo electrónico, correos, dirección de correo, dirección de correo electrónico,
dirección de email, correu, correu electrònic, correio eletrónico, endereço de email,
enderezo de correo,
posta elettronica, indirizzo email, indirizzo mail, indirizzo di posta elettronica,
adresă de email, adresa e-mail, poștă electronică,
adres e-mail, poczta elektroniczna, poczta, e-mailová adresa, e-naslov,
elektronska pošta, e-poštni naslov, e-adresa,
el. paštas, elektroninis paštas, e-pasts, e-pasta adrese, e-mail cím, e-posta, e-posta adresi,
ηλεκτρονική διεύθυνση, ηλεκτρονικό ταχυδρομείο, ιμέιλ,
почта, эл. почта, электронная почта, адрес электронной почты, имейл, емейл, мейл, пошта,
електронна пошта, ел. пошта, имейл адрес, електронна поща,
البريد الإلكتروني, بريد إلكتروني, الايميل, ایمیل, پست الکترونیک, אימייל, מייל, דואר אלקטרוני,
ईमेल, ईमेल पता, อีเมล, thư điện tử, địa chỉ email, alamat email, surel,
邮箱, 电子邮箱, 电子邮件, 邮件地址, 电邮, 邮箱地址, 電子郵件, 電郵, 電子信箱, 信箱,
メール, メールアドレス, 電子メール, eメール, メアド, 이메일, 이메일 주소, 전자우편, 메일";

/// [`NAMES`] as they are looked up.
static FOLDED: LazyLock<HashSet<String>> = LazyLock::new(|| names().map(fold).collect());

fn names() -> impl Iterator<Item = &'static str> {
    NAMES.split([',', '\n']).filter(|name| !name.trim().is_empty())
}

/// The tier of `name`.
pub(super) fn tier(name: &str) -> NameTier {
    let folded = fold(name);
    // A column that was appended by an earlier run repeats another one.
    if folded.is_empty() || folded.starts_with("mailvet") {
        return NameTier::Other;
    }
    if FOLDED.contains(&folded) {
        return NameTier::Address;
    }
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    let speaks_of_mail = ["email", "correo", "courriel"].iter().any(|word| folded.contains(word))
        || words.any(|word| ["mail", "address", "adresse", "mails"].contains(&&*fold(word)));
    if speaks_of_mail { NameTier::Related } else { NameTier::Other }
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
            "E-posta",
            "Email:",
        ] {
            assert_eq!(tier(name), NameTier::Address, "{name}");
        }
    }

    #[test]
    fn names_that_speak_of_mail_are_related_and_others_are_not() {
        for name in ["Private E-Mail", "workEmail2", "address", "email_opt_in", "mail (2)"] {
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
