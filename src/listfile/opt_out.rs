//! Names that columns of people who want no mail have, in many languages.

use std::sync::LazyLock;

use super::header::fold;

/// Parts of such names, language by language: stems, so that their endings do not count. Case,
/// accents and everything but letters and digits do not count either.
const PARTS: &str = "\
opt out, opted out, unsub, do not email, do not mail, do not contact, do not send, do not market,
do not bulk email, do not allow, email status, subscription status, email suppression, suppressed,
blocklist, blacklist,
abgemeldet, abmeld, abbestell, ausgetragen, widerrufen,
afgemeld, afmeld, uitgeschreven, uitschrijv, avmeld, avregistrer, avprenumer, frameld,
désabonn, désinscri, disiscri, dezabon,
desuscri, dado de baja, dada de baja, fecha de baja, fecha baja, descadastr,
wypisan, wypisał, odhlášen, odjavljen, leiratkoz, abonelikten,
отписа, відписа, κατάργηση εγγραφής,
إلغاء الاشتراك, hủy đăng ký, berhenti berlangganan,
配信停止, 配信拒否, 配信不要, 購読解除, 購読停止, 退订, 退訂, 取消订阅, 取消訂閱, 拒收,
수신거부, 구독취소, 구독해지";

/// [`PARTS`] as they are looked up.
static FOLDED: LazyLock<Vec<String>> =
    LazyLock::new(|| PARTS.split([',', '\n']).map(fold).filter(|part| !part.is_empty()).collect());

/// `true` for the name of a column that says who wants no mail: `Email Opt Out`, `Abgemeldet am`.
pub(super) fn is_opt_out(name: &str) -> bool {
    let folded = fold(name);
    FOLDED.iter().any(|part| folded.contains(part.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_that_say_who_wants_no_mail_are_known_in_many_languages() {
        for name in [
            "Email Opt Out",
            "HasOptedOutOfEmail",
            "Unsubscribed",
            "UNSUB_TIME",
            "BLOCKLISTED",
            "Do not allow Bulk Emails",
            "Abgemeldet am",
            "Newsletter abbestellt",
            "Uitgeschreven",
            "Désabonné",
            "Date de désinscription",
            "Fecha de baja",
            "Descadastrado",
            "Disiscritto",
            "Wypisany",
            "Odhlášeno",
            "Отписался",
            "メルマガ配信停止",
            "是否退订",
            "수신 거부",
        ] {
            assert!(is_opt_out(name), "{name}");
        }
        for name in
            ["", "Email", "Status", "Newsletter", "Subscribed", "Trabajo", "Anmeldung", "Konto"]
        {
            assert!(!is_opt_out(name), "{name}");
        }
    }
}
