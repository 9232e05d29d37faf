//! Lines of a source, whatever ends them: LF, CRLF, or the CR of Excel for Mac.

use std::io::{self, BufRead};

/// Reads the next line into `line`, without its end; of one longer than `limit` bytes a part.
/// `false` at the end of the source.
pub(super) fn read_line(
    input: &mut impl BufRead,
    line: &mut Vec<u8>,
    limit: usize,
) -> io::Result<bool> {
    line.clear();
    let mut is_any = false;
    loop {
        let piece = input.fill_buf()?;
        if piece.is_empty() {
            return Ok(is_any);
        }
        is_any = true;
        let piece = &piece[..piece.len().min(limit - line.len())];
        let end = piece.iter().position(|b| matches!(b, b'\r' | b'\n'));
        line.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
        let is_cr = end.is_some_and(|end| piece[end] == b'\r');
        let taken = end.map_or(piece.len(), |end| end + 1);
        input.consume(taken);
        if is_cr && input.fill_buf()?.first() == Some(&b'\n') {
            input.consume(1);
        }
        if end.is_some() || line.len() == limit {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn a_line_ends_with_lf_crlf_or_cr_wherever_the_buffer_does() {
        let source = b"address\rjane@acme.test\r\njoe@acme.test\n\nann@acme.test";
        for capacity in [1, 2, 8, 9, 100] {
            let mut input = BufReader::with_capacity(capacity, &source[..]);
            let (mut line, mut lines) = (Vec::new(), Vec::new());
            while read_line(&mut input, &mut line, 1000).unwrap() {
                lines.push(String::from_utf8(line.clone()).unwrap());
            }
            let expected = ["address", "jane@acme.test", "joe@acme.test", "", "ann@acme.test"];
            assert_eq!(lines, expected, "{capacity}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_parts() {
        let (mut input, mut line) = (&b"abcde\nf"[..], Vec::new());
        let mut parts = Vec::new();
        while read_line(&mut input, &mut line, 2).unwrap() {
            parts.push(line.clone());
        }
        assert_eq!(parts, [&b"ab"[..], b"cd", b"e", b"f"]);
    }
}
