//! The pages of a list that was not started. Their templates escape what they print.

use askama::Template;

use super::drafts::ListDraft;
use super::pages::{PageFrame, count, list_name, own_words};
use super::survey::{Survey, SurveyExclusion};
use crate::campaign::eta::DestinationWork;
use crate::campaign::preflight::{Share, grouped};
use crate::http::ColumnQuestion;
use crate::report::bars::{BarSpan, stacked};
use crate::report::printable;

/// Providers that are named before a list is started.
const PROVIDERS: usize = 8;

/// What was found in a list that was not started.
#[derive(Template)]
#[template(path = "found.html", config = "src/console/askama.toml")]
pub(super) struct FoundPage {
    frame: PageFrame,
    id: String,
    name: String,
    time: String,
    layout: String,
    facts: Vec<(&'static str, String)>,
    first: Vec<(u64, String, &'static str)>,
    columns: Vec<ColumnChoice>,
    notes: Vec<String>,
    providers: Vec<ProviderRow>,
    exclusion: ExclusionView,
}

/// The part of a list that is left out, as it is shown.
struct ExclusionView {
    /// The suppression files: their names, and what was found in each.
    files: Vec<(String, String)>,
    /// The number of rows that they leave out, and why, in a sentence.
    sentence: String,
    notes: Vec<String>,
    /// Everybody is.
    is_nobody_left: bool,
}

impl ExclusionView {
    fn new(survey: &Survey) -> Self {
        let found = &survey.exclusion;
        let files = found.files.iter();
        Self {
            files: files.map(|(name, found)| (list_name(name), printable(found))).collect(),
            sentence: left_out_sentence(found),
            notes: found.notes.iter().map(|note| capitalised(&printable(note))).collect(),
            is_nobody_left: survey.is_nobody_left(),
        }
    }
}

/// The number of rows that are left out, why, and of how many more some addresses are.
fn left_out_sentence(found: &SurveyExclusion) -> String {
    let rows = match found.rows {
        0 => "No row is".to_owned(),
        1 => "1 row is".to_owned(),
        several => format!("{} rows are", grouped(several)),
    };
    let in_part = match found.rows_in_part {
        0 => String::new(),
        1 => "; of 1 row some addresses are".to_owned(),
        several => format!("; of {} rows some addresses are", grouped(several)),
    };
    format!("{rows} left out{}{in_part}.", found.shares)
}

/// A column that may hold the addresses, or several that are read together.
struct ColumnChoice {
    /// Its number from 1, or theirs with commas between them; empty where none is chosen.
    value: String,
    label: String,
    is_chosen: bool,
}

impl ColumnChoice {
    /// The choice that a person has not made yet, which no browser sends.
    fn open() -> Self {
        Self { value: String::new(), label: "choose one".to_owned(), is_chosen: false }
    }
}

/// The addresses at one provider.
struct ProviderRow {
    name: String,
    addresses: String,
    share: String,
    bar: BarSpan,
}

impl FoundPage {
    pub(super) fn new(
        frame: PageFrame,
        id: &str,
        draft: &ListDraft,
        work: &[DestinationWork],
        time: String,
    ) -> Self {
        let survey = &draft.survey;
        let findings = &survey.findings;
        let chosen = form_value(&survey.read);
        let is_chosen = |value: &str| value == chosen;
        Self {
            frame,
            id: id.to_owned(),
            name: list_name(&draft.list.request().filename),
            time: capitalised(&time),
            layout: printable(&findings.layout),
            facts: facts(draft),
            first: survey
                .first
                .iter()
                .map(|row| (row.number, row.address.clone(), row.note))
                .collect(),
            columns: choices(&survey.columns, &draft.alike, is_chosen),
            notes: findings.notes.iter().map(|note| printable(note)).collect(),
            providers: providers(work, survey),
            exclusion: ExclusionView::new(survey),
        }
    }
}

/// The providers with the most addresses, and in one row all others.
fn providers(work: &[DestinationWork], survey: &Survey) -> Vec<ProviderRow> {
    let whole = survey.addresses;
    let row = |name: &str, addresses: u64| ProviderRow {
        name: printable(name),
        addresses: grouped(addresses),
        share: Share { count: addresses, of: whole }.percent(),
        bar: stacked(&[addresses], whole)[0],
    };
    let named: u64 = work.iter().take(PROVIDERS).map(|work| work.open).sum();
    let others = survey.open().saturating_sub(named);
    let others = (others > 0 && !work.is_empty()).then(|| row("all others", others));
    work.iter().take(PROVIDERS).map(|work| row(&work.name, work.open)).chain(others).collect()
}

/// The text by which a request names the columns that a person chose by their numbers: the name of
/// each where no other has it, since a number may be the name of another one.
pub(super) fn column_text(columns: &[String], chosen: &str) -> String {
    let may_have_comma = !chosen.contains(',');
    let text = |chosen: &str| {
        let name_at = |number: usize| Some(columns.get(number.checked_sub(1)?)?.trim());
        let name = chosen.parse().ok().and_then(name_at).unwrap_or_default();
        let named = columns.iter().filter(|column| column.trim() == name).count();
        let is_clear = !name.is_empty() && (may_have_comma || !name.contains(','));
        if named == 1 && is_clear { name.to_owned() } else { chosen.to_owned() }
    };
    chosen.split(',').map(text).collect::<Vec<_>>().join(",")
}

/// The numbers of columns as a form sends them.
fn form_value(columns: &[usize]) -> String {
    columns.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// The columns to choose from, and those `alike` as one choice; `is_chosen` is asked about the
/// value of each.
fn choices(
    columns: &[String],
    alike: &[usize],
    is_chosen: impl Fn(&str) -> bool,
) -> Vec<ColumnChoice> {
    let label = |number: &usize| {
        let name = number.checked_sub(1).and_then(|index| columns.get(index));
        match &*name.map(|name| own_words(name)).unwrap_or_default() {
            "" => number.to_string(),
            name => format!("{number}: {name}"),
        }
    };
    let choice = |numbers: &[usize]| {
        let value = form_value(numbers);
        let label = numbers.iter().map(label).collect::<Vec<_>>().join(" and ");
        ColumnChoice { is_chosen: is_chosen(&value), value, label }
    };
    let each = (1..=columns.len()).map(|number| choice(&[number]));
    let together = (alike.len() > 1).then(|| choice(alike));
    each.chain(together).collect()
}

/// Asks which column of a list holds its addresses.
#[derive(Template)]
#[template(path = "choose.html", config = "src/console/askama.toml")]
pub(super) struct ChoosePage {
    frame: PageFrame,
    id: String,
    name: String,
    reason: String,
    columns: Vec<ColumnChoice>,
}

impl ChoosePage {
    pub(super) fn new(
        frame: PageFrame,
        id: &str,
        draft: &ListDraft,
        question: &ColumnQuestion,
    ) -> Self {
        let request = draft.list.request();
        let is_chosen = |value: &str| column_text(&question.columns, value) == request.column;
        Self {
            frame,
            id: id.to_owned(),
            name: list_name(&request.filename),
            reason: capitalised(&printable(&question.reason)),
            columns: std::iter::once(ColumnChoice::open())
                .chain(choices(&question.columns, &draft.alike, is_chosen))
                .collect(),
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text + "."
}

/// The counts of a list, as name and number.
fn facts(draft: &ListDraft) -> Vec<(&'static str, String)> {
    let survey = &draft.survey;
    let findings = &survey.findings;
    let many = |count: Option<u64>| count.map_or_else(|| "very many".to_owned(), grouped);
    let always = [
        ("rows", grouped(count(findings.rows))),
        ("with an address", grouped(survey.rows)),
        ("different mailboxes", many(survey.mailboxes)),
        ("domains", many(survey.domain_count.map(|count| count as u64))),
    ];
    // Beside a suppression file they are those that are left.
    let addresses = match survey.exclusion.left_out {
        Some(_) => ("addresses to ask about", survey.addresses),
        None if survey.addresses > survey.rows => ("addresses in all", survey.addresses),
        None => ("addresses in all", 0),
    };
    let sometimes = [
        ("left out", survey.exclusion.rows),
        ("without an address", count(findings.rows_without_address)),
        ("with several addresses", count(findings.rows_with_several)),
        addresses,
        ("not spelled like an address", survey.malformed),
    ];
    let there = sometimes.into_iter().filter(|(_, rows)| *rows > 0);
    always.into_iter().chain(there.map(|(name, rows)| (name, grouped(rows)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_is_chosen_by_its_number_is_not_one_whose_name_is_that_number() {
        let counted = ["0", "1", "2"].map(str::to_owned);
        assert_eq!(["1", "2", "3"].map(|number| column_text(&counted, number)), ["0", "1", "2"]);
        let mixed = ["", "Mail", "Mail", " E-Mail "].map(str::to_owned);
        let texts = ["1", "2", "4", "9", "0", ""].map(|number| column_text(&mixed, number));
        assert_eq!(texts, ["1", "2", "E-Mail", "9", "0", ""]);
        assert_eq!(column_text(&mixed, "1,4"), "1,E-Mail");
        let work = ["Mail, work", "Mail"].map(str::to_owned);
        assert_eq!(["1", "1,2"].map(|chosen| column_text(&work, chosen)), ["Mail, work", "1,Mail"]);
    }
}
