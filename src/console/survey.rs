//! What a list holds, before anything is asked about it: one reading, in bounded memory.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;

use foldhash::quality::FixedState;
use tonic::Status;

use crate::address::{Address, Domain};
use crate::campaign::GroupTally;
use crate::http::{ArrivedList, ColumnQuestion, sent_address};
use crate::listfile::{Layout, Row};
use crate::proto::ListFindings;
use crate::report::printable;
use crate::verifier::Subject;

/// Number of rows shown.
const SHOWN: usize = 5;

/// Most characters shown of a row's address.
const LONGEST: usize = 120;

/// Most mailboxes that are told apart.
const MOST_MAILBOXES: usize = 1_000_000;

/// Most domains that are counted.
const MOST_DOMAINS: usize = 100_000;

/// Number of domains that are looked up for their providers: those with the most rows.
const LOOKED_UP: usize = 500;

/// What a list holds.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The question that stands before everything else: without an answer nothing was counted.
    pub(super) question: Option<ColumnQuestion>,
    pub(super) findings: ListFindings,
    /// The names of the columns.
    pub(super) columns: Vec<String>,
    /// The first rows that are not blank.
    pub(super) first: Vec<FirstRow>,
    /// Rows with an address or what was meant for one.
    pub(super) rows: u64,
    /// Addresses of those rows: each is asked about.
    pub(super) addresses: u64,
    /// Addresses that break the grammar.
    pub(super) malformed: u64,
    /// Different mailboxes; `None`: too many to be counted.
    pub(super) mailboxes: Option<u64>,
    /// Different domains; `None`: too many to be counted.
    pub(super) domain_count: Option<usize>,
    /// The domains with the most rows.
    pub(super) domains: Vec<GroupTally>,
}

impl Survey {
    /// Number of addresses that somebody will be asked about.
    pub(super) fn open(&self) -> u64 {
        self.addresses.saturating_sub(self.malformed)
    }

    /// Number of addresses, and of the mailboxes that they are.
    pub(super) fn addresses_and_mailboxes(&self) -> (u64, u64) {
        (self.addresses, self.mailboxes.unwrap_or(self.addresses))
    }
}

/// A row as it is shown.
#[derive(Debug)]
pub(super) struct FirstRow {
    pub(super) number: u64,
    pub(super) address: String,
    pub(super) note: &'static str,
}

/// Reads the whole list. Blocks on the disk.
pub(super) fn survey(list: &ArrivedList) -> Result<Survey, Status> {
    let mut counts = SurveyCounts::default();
    let findings = list.read(|layout, row| {
        counts.note(layout, row);
        Ok(())
    });
    match findings {
        Ok(findings) => Ok(counts.into_survey(findings)),
        Err(fault) if fault.question.is_some() => {
            Ok(Survey { question: fault.question, ..Survey::default() })
        }
        Err(fault) => Err(fault.status),
    }
}

#[derive(Default)]
struct SurveyCounts {
    survey: Survey,
    hash: FixedState,
    mailboxes: HashSet<u64>,
    domains: HashMap<String, u64>,
    has_all_domains: bool,
}

impl SurveyCounts {
    fn note(&mut self, layout: &Layout, row: &Row) {
        if self.survey.columns.is_empty() {
            self.has_all_domains = true;
            self.survey.columns.clone_from(&layout.columns);
        }
        if self.survey.first.len() < SHOWN && !row.is_blank() {
            self.survey.first.push(first_row(row));
        }
        self.survey.rows += u64::from(row.address().is_some());
        for address in row.addresses() {
            self.count_address(address);
        }
    }

    fn count_address(&mut self, address: &str) {
        let subject = Subject::parse(sent_address(address));
        self.survey.addresses += 1;
        if self.mailboxes.len() <= MOST_MAILBOXES {
            self.mailboxes.insert(self.hash.hash_one(subject.key()));
        }
        match subject.address().map(Address::domain) {
            None => self.survey.malformed += 1,
            Some(Domain::Literal(_)) => {}
            Some(Domain::Name(name)) => self.count_domain(name.as_str()),
        }
    }

    fn count_domain(&mut self, name: &str) {
        if let Some(rows) = self.domains.get_mut(name) {
            *rows += 1;
        } else if self.domains.len() < MOST_DOMAINS {
            self.domains.insert(name.to_owned(), 1);
        } else {
            self.has_all_domains = false;
        }
    }

    fn into_survey(self, findings: ListFindings) -> Survey {
        let mailboxes = self.mailboxes.len();
        let domain_count = self.has_all_domains.then_some(self.domains.len());
        let mut domains: Vec<GroupTally> = self
            .domains
            .into_iter()
            .map(|(group, rows)| GroupTally { group, rows, finished: Vec::new() })
            .collect();
        domains.sort_by(|one, other| {
            other.rows.cmp(&one.rows).then_with(|| one.group.cmp(&other.group))
        });
        domains.truncate(LOOKED_UP);
        Survey {
            findings,
            mailboxes: (mailboxes <= MOST_MAILBOXES).then_some(mailboxes as u64),
            domain_count,
            domains,
            ..self.survey
        }
    }
}

fn first_row(row: &Row) -> FirstRow {
    let address: String = row.address().unwrap_or_default().chars().take(LONGEST).collect();
    let note = match row.address() {
        None => "no address",
        Some(_) if !row.others().is_empty() => "several: each is asked about",
        Some(_) if row.is_cleaned() => "cleaned",
        Some(_) => "",
    };
    FirstRow { number: row.number(), address: printable(&address), note }
}
