//! [`Reader`]: rows in order, in flat memory.

use std::io::{self, Read};

use super::column::UnfilledPolicy;
use super::record::{self, RecordBounds, Scan, Scanned};
use super::sample::{Sample, Shown};
use super::source::{InvalidText, Opened, Source};
use super::window::TextWindow;
use super::{
    AddressColumn, ColumnBasis, Findings, Format, Layout, ListFileError, ReaderOptions, Row,
    column, read_consent,
};
use crate::address::clean::clean;

/// Reads the rows of a list file, in order. It holds one record and some 64 KiB beside it.
pub struct Reader<R> {
    window: TextWindow<Source<R>>,
    layout: Layout,
    scan: Scan,
    findings: Findings,
    line: u64,
    octets: u64,
    is_done: bool,
}

impl<R: Read> Reader<R> {
    /// Looks at the beginning of `input` and finds out what it is.
    ///
    /// # Errors
    /// [`ListFileError`]: not a list file, empty, or without a column of addresses.
    pub fn open(input: R, options: &ReaderOptions) -> Result<Self, ListFileError> {
        let Opened { source, sample, is_whole, gzip, encoding } =
            Source::open(input, options.encoding.as_deref())?;
        let sample = Sample { text: &sample, is_whole, encoding: &encoding };
        let shown = sample.show(options)?;
        let preamble = sample.text[..shown.preamble].to_vec();
        let dialect = match shown.format {
            Format::Delimited(dialect) => Some(dialect),
            Format::JsonLines | Format::Plain => None,
        };
        let scan = Scan { dialect, cell: 0, width: shown.width, limit: options.max_record };
        let columns_of_addresses = address_columns(&shown, options);
        let consents = consent_column(&shown, options.consent_column.as_deref());
        let layout = Layout {
            format: shown.format,
            encoding,
            gzip,
            line_end: shown.line_end,
            columns: columns(&shown),
            address: AddressColumn::unknown(),
            more_addresses: Vec::new(),
            passed_over: Vec::new(),
            consents: None,
            is_imported: options.is_imported,
            leaves: leaves(&shown),
            preamble,
            header: Row::default(),
        };
        let mut reader = Self {
            window: TextWindow::new(source),
            line: 1 + record::count_lines(&layout.preamble),
            layout,
            scan,
            findings: Findings::default(),
            octets: 0,
            is_done: false,
        };
        reader.skip_head(dialect.is_some_and(|dialect| dialect.has_header))?;
        // A first row without an end is worth saying before anything that was read into it.
        reader.record()?;
        let AddressColumns { first, more, passed_over } = columns_of_addresses?;
        (reader.layout.address, reader.layout.more_addresses) = (first, more);
        reader.layout.passed_over = passed_over;
        reader.scan.cell = reader.layout.address.index;
        reader.layout.consents = consents?;
        Ok(reader)
    }

    /// The layout of the file.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The irregularities so far.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Number of octets of text that were read so far as rows: of a gzip file, unpacked ones.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Reads the next row into `row`, whose buffers are used again; `false` at the end.
    ///
    /// # Errors
    /// [`ListFileError`]: the source failed, or a record is too long or not in its encoding. What
    /// follows it is not read.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, ListFileError> {
        if self.is_done {
            return Ok(false);
        }
        let bounds = self.record();
        self.is_done = !matches!(bounds, Ok(Some(_)));
        let Some(bounds) = bounds? else { return Ok(false) };
        self.take(bounds, row);
        if self.layout.format.is_by_line() && row.bytes[..bounds.content].trim_ascii().is_empty() {
            row.bounds.fields = 0;
        }
        row.address = self.address_in(row);
        self.note(row);
        row.consented_at = None;
        if self.layout.consents.is_some() && row.address.is_some() {
            self.read_consent(row).inspect_err(|_| self.is_done = true)?;
        }
        Ok(true)
    }

    fn read_consent(&mut self, row: &mut Row) -> Result<(), ListFileError> {
        let text = self.layout.consent_in(row);
        let (number, line) = (row.number, row.line);
        row.consented_at = read_consent(&text).map_err(|fault| ListFileError::Consent {
            row: number,
            line,
            text,
            fault,
        })?;
        Ok(())
    }

    /// Passes over what stands before the rows, and keeps the header.
    fn skip_head(&mut self, has_header: bool) -> Result<(), ListFileError> {
        let length = self.layout.preamble.len();
        while self.window.text().len() < length && !self.window.is_ended() {
            self.fill()?;
        }
        self.window.consume(length);
        if !has_header {
            return Ok(());
        }
        if let Some(bounds) = self.record()? {
            let mut header = Row::default();
            self.take(RecordBounds { surplus: None, ..bounds }, &mut header);
            self.layout.columns = self.layout.fields(&header);
            self.scan.width = self.layout.columns.len();
            self.layout.header = header;
        }
        while self.window.text().iter().all(u8::is_ascii_whitespace) {
            if self.window.is_ended() || self.window.text().len() > self.scan.limit {
                let columns = self.layout.columns.clone();
                return Err(ListFileError::HeaderOnly { columns });
            }
            self.fill()?;
        }
        Ok(())
    }

    /// The next record, at the beginning of the window.
    fn record(&mut self) -> Result<Option<RecordBounds>, ListFileError> {
        loop {
            let (text, is_ended) = (self.window.text(), self.window.is_ended());
            if text.is_empty() && is_ended {
                return Ok(None);
            }
            let scanned =
                if text.is_empty() { Scanned::Part } else { self.scan.first(text, is_ended) };
            match scanned {
                Scanned::Record(bounds) => return Ok(Some(bounds)),
                Scanned::Part => self.fill()?,
                Scanned::TooLong => {
                    return Err(ListFileError::RecordTooLong {
                        row: self.next_row(),
                        line: self.line,
                        limit: self.scan.limit,
                    });
                }
            }
        }
    }

    /// Moves a record from the window into `row`.
    fn take(&mut self, bounds: RecordBounds, row: &mut Row) {
        row.bytes.clear();
        row.bytes.extend_from_slice(&self.window.text()[..bounds.whole]);
        self.window.consume(bounds.whole);
        self.octets += bounds.whole as u64;
        row.bounds = bounds;
        row.line = self.line;
        self.line += bounds.lines;
    }

    fn fill(&mut self) -> Result<(), ListFileError> {
        let Err(source) = self.window.fill() else { return Ok(()) };
        let row = self.findings.rows;
        let broken =
            [io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput, io::ErrorKind::UnexpectedEof];
        if source.get_ref().is_some_and(|inner| inner.is::<InvalidText>()) {
            let encoding = self.layout.encoding.name();
            let line = self.line + record::count_lines(self.window.text());
            return Err(ListFileError::Malformed { row: self.next_row(), line, encoding });
        }
        if self.layout.gzip && broken.contains(&source.kind()) {
            return Err(ListFileError::Gzip { row, source });
        }
        Err(ListFileError::Read { row, source })
    }

    /// The number of the row that is being read; 0 is the header.
    fn next_row(&self) -> u64 {
        let is_in_header = self.layout.has_header() && self.layout.header.is_blank();
        if is_in_header { 0 } else { self.findings.rows + 1 }
    }

    fn address_in(&mut self, row: &mut Row) -> Option<String> {
        let spare = row.address.take();
        let (number, line) = (self.findings.rows + 1, row.line);
        let content = &row.bytes[..row.bounds.content];
        let encoding = &self.layout.encoding;
        row.others.clear();
        let (mut others, mut is_cleaned) = (Vec::new(), false);
        let found = |text: &str, findings: &mut Findings| {
            let cleaned = clean(text);
            if cleaned.had_words {
                findings.names.add(number, line);
            }
            if !cleaned.others.is_empty() {
                findings.several.add(number, line);
                others = cleaned.others;
            }
            if cleaned.is_cut {
                findings.cut_cells.add(number, line);
            }
            is_cleaned = cleaned.address != text;
            let mut address = spare.unwrap_or_default();
            address.clear();
            address.push_str(&cleaned.address);
            (!address.is_empty()).then_some(address)
        };
        let address = match self.layout.format {
            _ if row.is_blank() => None,
            Format::Plain => found(&encoding.decode(content), &mut self.findings),
            Format::Delimited(_) if !self.layout.more_addresses.is_empty() => {
                found(&self.layout.addresses_in(row), &mut self.findings)
            }
            Format::Delimited(dialect) => row.bounds.cell.and_then(|(start, end)| {
                let said = record::say(&content[start..end], dialect, row.bounds.is_stray);
                found(&encoding.decode(&said), &mut self.findings)
            }),
            Format::JsonLines => match self.layout.addresses_in_object(&encoding.decode(content)) {
                Ok(value) => value.and_then(|value| found(&value, &mut self.findings)),
                Err(_) => {
                    row.bounds.is_stray = true;
                    None
                }
            },
        };
        row.others = others;
        row.is_cleaned = is_cleaned;
        address
    }

    /// Numbers the row and counts what is out of the ordinary in it.
    fn note(&mut self, row: &mut Row) {
        let findings = &mut self.findings;
        if row.is_blank() {
            findings.blank_lines += 1;
            row.number = findings.rows;
            return;
        }
        findings.rows += 1;
        row.number = findings.rows;
        let (number, line) = (row.number, row.line);
        findings.addresses += u64::from(row.address.is_some());
        let is_stray_json = row.bounds.is_stray && self.layout.format == Format::JsonLines;
        let is_table = matches!(self.layout.format, Format::Delimited(_));
        let odd = [
            (row.address.is_none() && !is_stray_json, &mut findings.no_address),
            (is_table && row.bounds.fields < self.scan.width, &mut findings.short_rows),
            (is_table && row.bounds.fields > self.scan.width, &mut findings.long_rows),
            (is_table && row.bounds.is_stray, &mut findings.stray_quotes),
            (is_stray_json, &mut findings.not_json),
            (!self.layout.encoding.is_valid(&row.bytes), &mut findings.odd_text),
        ];
        for (is_so, tally) in odd {
            if is_so {
                tally.add(number, line);
            }
        }
    }
}

/// The rows one by one. After an error there is no more.
impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Row, ListFileError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row = Row::default();
        match self.read(&mut row) {
            Ok(true) => Some(Ok(row)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

fn columns(shown: &Shown) -> Vec<String> {
    match shown.format {
        Format::JsonLines => shown.keys.clone(),
        Format::Delimited(_) | Format::Plain => vec![String::new(); shown.width],
    }
}

/// The names of the keys of JSON lines, in objects too.
fn leaves(shown: &Shown) -> Vec<String> {
    match shown.format {
        Format::JsonLines => shown.profiles.iter().map(|profile| profile.name.clone()).collect(),
        Format::Delimited(_) | Format::Plain => Vec::new(),
    }
}

/// The columns with addresses.
struct AddressColumns {
    first: AddressColumn,
    /// Further ones, if several are asked for.
    more: Vec<AddressColumn>,
    /// Those that hold addresses too, if none was asked for.
    passed_over: Vec<AddressColumn>,
}

fn address_columns(
    shown: &Shown,
    options: &ReaderOptions,
) -> Result<AddressColumns, ListFileError> {
    let policy = match (options.is_known, shown.is_all) {
        (true, _) if options.column_rules == 0 => UnfilledPolicy::TakeFuller,
        (true, _) => UnfilledPolicy::Take,
        (false, true) => UnfilledPolicy::AskIfForeign,
        (false, false) => UnfilledPolicy::Ask,
    };
    let (chosen, basis) = column::choose(&shown.profiles, options.column.as_deref(), policy)?;
    let passed_over = match chosen[..] {
        [only] if basis != ColumnBasis::Asked => column::passed_over(&shown.profiles, only),
        _ => Vec::new(),
    };
    let seen = |column: usize| seen_column(shown, column, basis);
    let passed_over = passed_over.into_iter().map(seen).collect();
    let mut columns = chosen.into_iter().map(seen);
    let first = columns.next().unwrap_or_else(AddressColumn::unknown);
    Ok(AddressColumns { first, more: columns.collect(), passed_over })
}

/// The column of the times of consents, if one is asked for.
fn consent_column(
    shown: &Shown,
    asked: Option<&str>,
) -> Result<Option<AddressColumn>, ListFileError> {
    let chosen = asked.map(|asked| column::choose_consents(&shown.profiles, asked)).transpose()?;
    Ok(chosen.map(|chosen| seen_column(shown, chosen, ColumnBasis::Asked)))
}

/// The column with this number among those that were seen.
fn seen_column(shown: &Shown, chosen: usize, basis: ColumnBasis) -> AddressColumn {
    let name = shown.profiles[chosen].name.clone();
    match shown.paths.get(chosen) {
        Some(path) => AddressColumn { index: 0, name, basis, path: path.clone() },
        None => AddressColumn { index: chosen, name, basis, path: Vec::new() },
    }
}
