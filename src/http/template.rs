//! Path templates of `google.api.http`, as far as ours use them: literals, `{field}`, a final
//! `:verb`.

use percent_encoding::percent_decode_str;

/// A path template, such as `/v1/batches/{batch_id}:seal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathTemplate {
    segments: Vec<Segment>,
    verb: Option<String>,
}

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// The segment itself.
    Literal(String),
    /// Any value, for the field of this name.
    Field(String),
}

impl PathTemplate {
    pub(super) fn parse(text: &str) -> Self {
        let (path, verb) = match text.rsplit_once(':') {
            Some((path, verb)) if !verb.contains(['/', '}']) => (path, Some(verb.to_owned())),
            _ => (text, None),
        };
        let segment = |segment: &str| {
            let field = segment.strip_prefix('{').and_then(|field| field.strip_suffix('}'));
            field.map_or_else(
                || Segment::Literal(segment.to_owned()),
                |f| Segment::Field(f.to_owned()),
            )
        };
        Self { segments: path.trim_start_matches('/').split('/').map(segment).collect(), verb }
    }

    /// The verb after the colon.
    pub(super) fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// The names of the fields in the path.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Field(field) => Some(field.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The values of the fields, in their order, if `path` is one of these.
    pub(super) fn values(&self, path: &str) -> Option<Vec<String>> {
        let path = match &self.verb {
            None => path,
            Some(verb) => path.strip_suffix(verb.as_str())?.strip_suffix(':')?,
        };
        let mut given = path.strip_prefix('/')?.split('/');
        let mut values = Vec::new();
        for segment in &self.segments {
            let given = given.next()?;
            match segment {
                Segment::Literal(literal) => (given == literal).then_some(())?,
                // A colon begins a verb: another template's.
                Segment::Field(_) if given.is_empty() || given.contains(':') => return None,
                Segment::Field(_) => {
                    values.push(percent_decode_str(given).decode_utf8().ok()?.into_owned());
                }
            }
        }
        given.next().is_none().then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str, path: &str) -> Option<Vec<String>> {
        PathTemplate::parse(template).values(path)
    }

    #[test]
    fn a_path_gives_the_values_of_the_fields() {
        let found = values("/v1/batches/{batch_id}:seal", "/v1/batches/0192:seal");
        assert_eq!(found, Some(vec!["0192".to_owned()]));
        assert_eq!(
            values("/v1/batches/{batch_id}", "/v1/batches/a%20b"),
            Some(vec!["a b".to_owned()])
        );
        assert_eq!(values("/v1/addresses:verify", "/v1/addresses:verify"), Some(Vec::new()));
    }

    #[test]
    fn another_path_does_not_match() {
        for path in [
            "/v1/batches/x",
            "/v1/batches/x:cancel",
            "/v1/batches/:seal",
            "/v1/batches/x/y:seal",
            "/v1/batches/%ff:seal",
            "/v1/batches/x:seal/",
            "v1/batches/x:seal",
            "/",
            "",
        ] {
            assert_eq!(values("/v1/batches/{batch_id}:seal", path), None, "{path}");
        }
        assert_eq!(values("/v1/batches/{batch_id}", "/v1/batches/x:seal"), None);
    }
}
