//! JSON documents.

use super::*;

#[test]
fn documents_become_tables_and_lines_of_json_stay() {
    let (_, csv) = imported(br#"[{"n":1,"emails":["a@acme.test","b@acme.test"]},{"n":2,"emails":[{"value":"c@acme.test"}]}]"#);
    assert_eq!(csv, "emails,n\na@acme.test; b@acme.test,1\nc@acme.test,2\n");
    let (_, csv) = imported(b"[\n  \"a@acme.test\",\n  \"b@acme.test\"\n]\n");
    assert_eq!(csv, "email\na@acme.test\nb@acme.test\n");
    let (wrapped, csv) = imported(b"{\n \"data\": {\"users\": [{\"email\": \"a@acme.test\"}]}\n}");
    assert_eq!(wrapped.to_string(), "JSON document, key \"data.users\"");
    assert_eq!(csv, "email\na@acme.test\n");
    let (_, csv) =
        imported(b"{\"a\":{\"email\":\"a@acme.test\",\"n\":1},\"b\":{\"email\":\"b@acme.test\"}}");
    assert_eq!(csv, "email,n\na@acme.test,1\nb@acme.test,\n", "objects under their ids");
    for lines in ["{\"email\":\"a@acme.test\"}\n", "email\na@acme.test\n", "[draft] notes\n"] {
        assert_eq!(Container::detect(&mut Cursor::new(lines)).unwrap(), None, "{lines}");
    }
}
