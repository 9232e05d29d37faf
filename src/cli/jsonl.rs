//! JSON lines: one object in, one object out, a bad line named by its number.

use std::io::{BufRead, Write};

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Answers each line of `input` with `answer`, in order. Blank lines are skipped.
pub(super) fn map<I, O>(
    input: impl BufRead,
    mut output: impl Write,
    answer: impl Fn(I) -> O,
) -> anyhow::Result<()>
where
    I: DeserializeOwned,
    O: Serialize,
{
    for (number, line) in input.lines().enumerate() {
        let line = line.with_context(|| format!("line {} cannot be read", number + 1))?;
        if line.trim().is_empty() {
            continue;
        }
        let item = serde_json::from_str(&line)
            .with_context(|| format!("line {} is not the JSON object expected", number + 1))?;
        serde_json::to_writer(&mut output, &answer(item))?;
        writeln!(output)?;
    }
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_answered_in_order_and_a_bad_one_is_named() {
        let mut output = Vec::new();
        map("1\n\n2\n".as_bytes(), &mut output, |n: u32| n * 10).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "10\n20\n");
        let error = map("1\nx\n".as_bytes(), Vec::new(), |n: u32| n).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
