//! Reading a command line (RFC 5321 section 4.1). Pure.

/// A command as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientCommand {
    Ehlo,
    Helo,
    StartTls,
    /// `MAIL FROM`; the path is empty for the null sender.
    Mail {
        sender: String,
        parameters: Vec<String>,
    },
    Rcpt {
        recipient: String,
        parameters: Vec<String>,
    },
    Rset,
    Noop,
    Quit,
    /// `DATA`, `BDAT`, `VRFY` or `EXPN`: what a prober must never say.
    Forbidden,
    /// A known command whose parameters cannot be read.
    Malformed,
    Unknown,
}

/// Reads one line, without its line end.
pub(super) fn parse(line: &str) -> ClientCommand {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" if !rest.trim().is_empty() => ClientCommand::Ehlo,
        "HELO" if !rest.trim().is_empty() => ClientCommand::Helo,
        "EHLO" | "HELO" => ClientCommand::Malformed,
        "STARTTLS" if rest.is_empty() => ClientCommand::StartTls,
        "MAIL" => path(rest, "FROM:").map_or(ClientCommand::Malformed, |(sender, parameters)| {
            ClientCommand::Mail { sender, parameters }
        }),
        "RCPT" => match path(rest, "TO:") {
            Some((recipient, parameters)) if recipient.contains('@') => {
                ClientCommand::Rcpt { recipient, parameters }
            }
            _ => ClientCommand::Malformed,
        },
        "RSET" => ClientCommand::Rset,
        "NOOP" => ClientCommand::Noop,
        "QUIT" => ClientCommand::Quit,
        "DATA" | "BDAT" | "VRFY" | "EXPN" => ClientCommand::Forbidden,
        _ => ClientCommand::Unknown,
    }
}

/// Reads `FROM:<path> parameters`. Quotes may hide a closing bracket.
fn path(text: &str, keyword: &str) -> Option<(String, Vec<String>)> {
    let head = text.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let inner = text[keyword.len()..].trim_start_matches(' ').strip_prefix('<')?;
    let mut quoted = false;
    let mut escaped = false;
    let end = inner.find(|c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return true,
            _ => {}
        }
        false
    })?;
    let after = &inner[end + 1..];
    if !after.is_empty() && !after.starts_with(' ') {
        return None;
    }
    let parameters = after.split_ascii_whitespace().map(str::to_ascii_uppercase).collect();
    Some((inner[..end].to_owned(), parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_with_its_parameters() {
        assert_eq!(
            parse("mail from:<> smtputf8 SIZE=10"),
            ClientCommand::Mail {
                sender: String::new(),
                parameters: vec!["SMTPUTF8".into(), "SIZE=10".into()]
            }
        );
        assert_eq!(
            parse("RCPT TO:<\"a>b\\\"c\"@example.test>"),
            ClientCommand::Rcpt {
                recipient: "\"a>b\\\"c\"@example.test".into(),
                parameters: vec![]
            }
        );
    }

    #[test]
    fn what_cannot_be_read_is_malformed() {
        for line in
            ["MAIL", "MAIL FROM:", "MAIL FROM:jane", "RCPT TO:<jane>", "RCPT TO:<a@b>x", "EHLO "]
        {
            assert_eq!(parse(line), ClientCommand::Malformed, "{line}");
        }
        assert_eq!(parse("MAIL FRÖM:<>"), ClientCommand::Malformed);
    }

    #[test]
    fn every_way_to_a_message_is_forbidden() {
        for line in ["DATA", "bdat 10 LAST", "VRFY jane", "expn staff"] {
            assert_eq!(parse(line), ClientCommand::Forbidden, "{line}");
        }
        assert_eq!(parse("HELP"), ClientCommand::Unknown);
    }
}
