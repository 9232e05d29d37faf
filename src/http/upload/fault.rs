//! Why a list is not read or not kept: the refusal, and the question that a person may be asked
//! instead.

use std::io;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::batch::uploads::UploadError;
use crate::listfile::ListFileError;

/// The time after which a caller may try again that was turned away by a full disk, as calls of
/// gRPC have it.
const DISK_FULL_WAIT: Duration = Duration::from_secs(60);

/// The options of `mailvet list` that messages name, and the parameters of an upload for the same.
const PARAMETERS: [(&str, &str); 3] = [
    (" --column", " column"),
    (" --consent-column", " consentColumn"),
    (" --encoding", " encoding"),
];

/// Why a list is not read.
#[derive(Debug)]
pub(crate) struct ListFault {
    /// The refusal of a caller who cannot be asked.
    pub(crate) status: Status,
    /// The question to a person who can; `None`: no other column would help.
    pub(crate) question: Option<ColumnQuestion>,
    /// The reason in words that name no parameter, where the refusal has some.
    pub(crate) reason: Option<String>,
}

/// The question which column of a list holds its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnQuestion {
    /// The reason to ask, in words.
    pub(crate) reason: String,
    /// The names of the columns, two or more; empty where one has none.
    pub(crate) columns: Vec<String>,
    /// The numbers, from 1, of those that hold addresses alike; empty if none do.
    pub(crate) alike: Vec<usize>,
}

impl From<Status> for ListFault {
    fn from(status: Status) -> Self {
        Self { status, question: None, reason: None }
    }
}

impl From<ListFault> for Status {
    fn from(fault: ListFault) -> Self {
        fault.status
    }
}

/// The fault of a list whose beginning cannot be made out.
pub(super) fn unopened(error: ListFileError) -> ListFault {
    let (reason, labels) = match &error {
        ListFileError::NoAddressColumn { columns } => {
            ("no column holds e-mail addresses".to_owned(), columns)
        }
        ListFileError::AmbiguousColumn { candidates, columns } => {
            (format!("{} hold e-mail addresses alike", candidates.join(", ")), columns)
        }
        ListFileError::UnfilledColumn { named, filled, columns } => {
            (format!("no address is in the first rows of {named}, and {filled} has some"), columns)
        }
        _ => return refused(error).into(),
    };
    let columns = labels.iter().map(|label| column_name(label)).collect();
    let mut question = question(reason.clone(), columns);
    if let (Some(question), ListFileError::AmbiguousColumn { candidates, .. }) =
        (&mut question, &error)
    {
        question.alike = candidates.iter().filter_map(|label| column_number(label)).collect();
    }
    ListFault { status: refused(error), question, reason: Some(reason) }
}

/// The question, if there is a choice.
pub(super) fn question(reason: String, columns: Vec<String>) -> Option<ColumnQuestion> {
    let alike = Vec::new();
    (columns.len() > 1).then_some(ColumnQuestion { reason, columns, alike })
}

/// The number in a label such as `2 (Email)`.
fn column_number(label: &str) -> Option<usize> {
    label.split(' ').next()?.parse().ok()
}

/// The name in a label such as `2 (Email)`.
fn column_name(label: &str) -> String {
    let name = label.split_once(" (").and_then(|(_, name)| name.strip_suffix(')'));
    name.unwrap_or_default().to_owned()
}

/// The refusal of a list that cannot be read.
pub(super) fn refused(error: ListFileError) -> Status {
    match error {
        ListFileError::Read { source, .. } => unreadable(source),
        error => Status::invalid_argument(with_parameters(&error.to_string())),
    }
}

/// A message of the reader of lists, with the parameter in place of each option that it names. What
/// it repeats of the list, such as the name of a column, stays as it is.
pub(super) fn with_parameters(message: &str) -> String {
    PARAMETERS
        .iter()
        .fold(message.to_owned(), |message, (option, parameter)| message.replace(option, parameter))
}

pub(super) fn unreadable(error: io::Error) -> Status {
    failed(&UploadError::Io(error))
}

/// The status of a failure to keep a list.
pub(super) fn failed(error: &UploadError) -> Status {
    match error {
        UploadError::TooLarge(_) => Status::out_of_range(error.to_string()),
        UploadError::NoRoom => Status::resource_exhausted(error.to_string()),
        UploadError::Io(fault)
            if matches!(
                fault.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ) =>
        {
            tracing::error!(%error, "an upload was turned away");
            let mut details = ErrorDetails::with_error_info("DISK_FULL", "mailvet", []);
            details.set_retry_info(Some(DISK_FULL_WAIT));
            let message = "the service's disk is full; nothing is lost, try later";
            Status::with_error_details(Code::ResourceExhausted, message, details)
        }
        UploadError::Io(_) => {
            tracing::error!(%error, "an upload failed");
            Status::internal("the list cannot be kept; the service's log says why")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listfile::{Reader, ReaderOptions};

    #[test]
    fn a_full_disk_is_named_and_says_when_to_come_back() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let details = failed(&UploadError::Io(io::Error::from(kind))).get_error_details();
            assert_eq!(details.error_info().unwrap().reason, "DISK_FULL");
            assert_eq!(details.retry_info().unwrap().retry_delay, Some(DISK_FULL_WAIT));
        }
    }

    #[test]
    fn a_fault_names_parameters_and_repeats_the_list_as_it_is() {
        let fault = |text: &str, options: &ReaderOptions| {
            unopened(Reader::open(text.as_bytes(), options).err().unwrap()).status
        };
        let rows = "a@acme.test,b@acme.test\nc@acme.test,d@acme.test\n";
        let alike = fault(&format!("a--mail,b--mail\n{rows}"), &ReaderOptions::default());
        assert!(alike.message().contains("choose one with column, or"), "{alike}");
        assert!(alike.message().ends_with(": 1 (a--mail), 2 (b--mail)"), "{alike}");
        let since = ReaderOptions {
            column: Some("to".to_owned()),
            consent_column: Some("since".to_owned()),
            ..ReaderOptions::default()
        };
        let unknown = fault(&format!("from,to\n{rows}"), &since);
        let remedy = "choose one with consentColumn: 1 (from), 2 (to)";
        assert!(unknown.message().ends_with(remedy), "{unknown}");
        let guessed = "windows-1252 (a guess: --encoding names another)";
        assert_eq!(with_parameters(guessed), "windows-1252 (a guess: encoding names another)");
    }

    #[test]
    fn a_list_whose_column_is_open_is_a_question_with_the_names_of_its_columns() {
        let fault = |text: &str| {
            let opened = Reader::open(text.as_bytes(), &ReaderOptions::default());
            unopened(opened.err().unwrap())
        };
        let alike = fault("id,from,to\n1,a@acme.test,b@acme.test\n2,c@acme.test,d@acme.test\n");
        assert!(alike.status.message().contains("choose one with column"), "{alike:?}");
        let asked = alike.question.unwrap();
        assert_eq!(asked.reason, "2 (from), 3 (to) hold e-mail addresses alike");
        assert_eq!(asked.columns, ["id", "from", "to"]);
        assert_eq!(asked.alike, [2, 3]);
        let none = fault("id,name (own)\n1,Jane\n2,John\n").question.unwrap();
        assert_eq!(none.reason, "no column holds e-mail addresses");
        assert_eq!(none.columns, ["id", "name (own)"]);
        assert!(none.alike.is_empty());
        let words = fault("just\nsome\nwords\n");
        assert_eq!(words.question, None, "there is no choice");
        assert_eq!(words.reason.unwrap(), "no column holds e-mail addresses");
        assert_eq!(fault("").question, None);
    }
}
