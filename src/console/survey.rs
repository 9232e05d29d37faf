//! What a list holds, before anything is asked about it: one reading, in bounded memory.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::FixedState;
use tonic::Status;

use crate::address::{Address, Domain};
use crate::campaign::GroupTally;
use crate::exclusion::{
    ExclusionCounts, ExclusionMark, ExclusionMarker, ExclusionMarks, ExclusionMatcher,
};
use crate::http::{ArrivedList, ColumnQuestion, ListExclusion, ListFault, sent_address};
use crate::listfile::{AddressColumn, Layout, Row};
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
    /// The numbers, from 1, of the columns that were read.
    pub(super) read: Vec<usize>,
    /// Those of further columns that hold addresses too.
    passed_over: Vec<usize>,
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
    /// Those who are left out: in no count but that of the rows.
    pub(super) exclusion: SurveyExclusion,
}

/// The part of a list that suppression files leave out.
#[derive(Debug, Default)]
pub(super) struct SurveyExclusion {
    /// The files: the name of each, and what was found in it.
    pub(super) files: Vec<(String, String)>,
    /// Rows of which every address is left out.
    pub(super) rows: u64,
    /// Rows of which some addresses are left out, and others are asked about.
    pub(super) rows_in_part: u64,
    /// The part of `rows` that domains and hashes exclude, in brackets; empty if none do.
    pub(super) shares: String,
    /// Sentences about what an owner of the files may not have meant.
    pub(super) notes: Vec<String>,
    /// The addresses; `None` if the files exclude nobody.
    pub(super) left_out: Option<Arc<ListExclusion>>,
}

impl Survey {
    /// Number of addresses that somebody will be asked about.
    pub(super) fn open(&self) -> u64 {
        self.addresses.saturating_sub(self.malformed)
    }

    /// `true` if every address of the list is left out.
    pub(super) fn is_nobody_left(&self) -> bool {
        self.exclusion.rows > 0 && self.addresses == 0
    }

    /// The numbers, from 1, of the columns of addresses that a person may have read together.
    pub(super) fn alike(&self) -> Vec<usize> {
        if let Some(question) = &self.question {
            return question.alike.clone();
        }
        let mut columns = [&self.read[..], &self.passed_over].concat();
        columns.sort_unstable();
        columns
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

/// Reads the whole list, without the addresses that these suppression files exclude. Blocks on the
/// disk.
pub(super) fn survey(
    list: &ArrivedList,
    exclusions: &[Arc<ArrivedList>],
) -> Result<Survey, Status> {
    let mut matcher = ExclusionMatcher::default();
    let mut files = Vec::new();
    for exclusion in exclusions {
        let found = exclusion.exclude_into(&mut matcher)?;
        files.push((exclusion.request().filename.clone(), found.to_string()));
    }
    let mut counts = SurveyCounts::new(&matcher);
    let findings = list.read(|layout, row| {
        counts.note(layout, row);
        Ok(())
    });
    let mut survey = match findings {
        Ok(findings) => counts.into_survey(findings),
        Err(fault) if fault.question.is_some() => {
            Survey { question: fault.question, ..Survey::default() }
        }
        // The refusal names a parameter, which a page has not.
        Err(ListFault { reason: Some(reason), .. }) => {
            return Err(Status::invalid_argument(format!("{reason}: is it the right file?")));
        }
        Err(fault) => return Err(fault.status),
    };
    survey.exclusion.files = files;
    Ok(survey)
}

struct SurveyCounts<'m> {
    survey: Survey,
    hash: FixedState,
    mailboxes: HashSet<u64>,
    domains: HashMap<String, u64>,
    has_all_domains: bool,
    matcher: &'m ExclusionMatcher,
    marker: ExclusionMarker<'m>,
    marks: ExclusionMarks,
    causes: ExclusionCounts,
}

impl<'m> SurveyCounts<'m> {
    fn new(matcher: &'m ExclusionMatcher) -> Self {
        Self {
            survey: Survey::default(),
            hash: FixedState::default(),
            mailboxes: HashSet::new(),
            domains: HashMap::new(),
            has_all_domains: false,
            matcher,
            marker: ExclusionMarker::new(matcher),
            marks: ExclusionMarks::default(),
            causes: ExclusionCounts::default(),
        }
    }

    fn note(&mut self, layout: &Layout, row: &Row) {
        if self.survey.columns.is_empty() {
            self.has_all_domains = true;
            layout.choices().clone_into(&mut self.survey.columns);
            let numbers = |columns: &[AddressColumn]| {
                columns.iter().filter_map(|column| layout.number_of(column)).collect::<Vec<_>>()
            };
            self.survey.read = numbers(std::slice::from_ref(&layout.address));
            self.survey.read.extend(numbers(&layout.more_addresses));
            self.survey.passed_over = numbers(&layout.passed_over);
        }
        let left_out = self.count_addresses(row);
        if self.survey.first.len() < SHOWN && !row.is_blank() {
            self.survey.first.push(first_row(row, left_out));
        }
        self.survey.rows += u64::from(row.address().is_some());
    }

    /// Counts those of the row's addresses that are asked about; returns how many are left out.
    fn count_addresses(&mut self, row: &Row) -> usize {
        let mut excluded = Vec::new();
        for address in row.addresses() {
            let mark = self.marker.mark(address);
            if !self.matcher.is_empty() {
                self.marks.push(mark);
            }
            if mark == ExclusionMark::Excluded {
                excluded.push(address);
            } else {
                self.count_address(address);
            }
        }
        if !excluded.is_empty() {
            let is_asked = excluded.len() < row.addresses().count();
            self.causes.note(self.matcher, &excluded, is_asked);
            self.survey.exclusion.rows += u64::from(!is_asked);
            self.survey.exclusion.rows_in_part += u64::from(is_asked);
        }
        excluded.len()
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
        let rows = self.survey.exclusion.rows;
        let left_out = ListExclusion { marks: self.marks, rows };
        let exclusion = SurveyExclusion {
            shares: self.causes.shares(),
            notes: self.causes.notes(self.matcher),
            left_out: (!self.matcher.is_empty()).then(|| Arc::new(left_out)),
            ..self.survey.exclusion
        };
        Survey {
            findings,
            exclusion,
            mailboxes: (mailboxes <= MOST_MAILBOXES).then_some(mailboxes as u64),
            domain_count,
            domains,
            ..self.survey
        }
    }
}

/// A row as it is shown, of whose addresses `left_out` are.
fn first_row(row: &Row, left_out: usize) -> FirstRow {
    let address: String = row.address().unwrap_or_default().chars().take(LONGEST).collect();
    let note = match row.address() {
        None => "no address",
        Some(_) if left_out > row.others().len() => "left out",
        Some(_) if left_out > 0 => "several: some are left out",
        Some(_) if !row.others().is_empty() => "several: each is asked about",
        Some(_) if row.is_cleaned() => "cleaned",
        Some(_) => "",
    };
    FirstRow { number: row.number(), address: printable(&address), note }
}
