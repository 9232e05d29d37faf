//! Headers that hold signatures. Pure.

use http::HeaderMap;

use super::refusal::HookRefusal;

/// The text of a header that must be there once: of two, nobody says which one was signed.
pub(super) fn single<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
) -> Result<&'h str, HookRefusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(HookRefusal::MissingHeader(name)),
        (Some(value), None) => value.to_str().map_err(|_| HookRefusal::UnreadableHeader(name)),
        (Some(_), Some(_)) => Err(HookRefusal::UnreadableHeader(name)),
    }
}
