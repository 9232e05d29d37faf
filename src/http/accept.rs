//! The `accept` header: which of the forms that there are a caller prefers (RFC 9110 section
//! 12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

/// The media types that a request accepts, the most preferred first, equals as they were named.
/// Wildcards among them match nothing: whoever writes one leaves the choice.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(','));
    let mut weighed: Vec<(f32, String)> = ranges
        .map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
            (parts.find_map(weight).unwrap_or(1.0), media_type)
        })
        .filter(|(weight, _)| *weight > 0.0)
        .collect();
    weighed.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    weighed.into_iter().map(|(_, media_type)| media_type).collect()
}

/// The weight that a parameter names; `None` for one of another name, or that is no weight.
fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    let weight = name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().ok())?;
    weight.filter(|weight| (0.0..=1.0).contains(weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, http::HeaderValue::from_static(value));
        }
        accepted(&headers)
    }

    #[test]
    fn what_is_preferred_comes_first_and_what_is_not_accepted_not_at_all() {
        assert_eq!(of(&["text/csv;q=0.1, application/json"]), ["application/json", "text/csv"]);
        assert_eq!(of(&["text/csv; q=0, */*"]), ["*/*"]);
        assert_eq!(of(&["text/csv;Q=0.000"]), Vec::<String>::new());
        assert_eq!(of(&["a/a;q=0.12, b/b;q=0.125, c/c;q=1.0"]), ["c/c", "b/b", "a/a"]);
        assert_eq!(of(&["a/a;level=1;q=0.5, b/b"]), ["b/b", "a/a"]);
    }

    #[test]
    fn every_line_of_the_header_counts_in_whatever_case() {
        assert_eq!(of(&["Text/CSV", "a/a"]), ["text/csv", "a/a"]);
        assert_eq!(of(&["a/a;q=much"]), ["a/a"]);
        assert_eq!(of(&["a/a;q="]), ["a/a"]);
        assert!(of(&[]).is_empty());
    }
}
