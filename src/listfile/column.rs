//! Which column holds the addresses: by what is asked, by what the cells hold, by its name.
//!
//! What the cells hold comes first: a column called `mail` that says `yes` and `no` is not it.
//! Names decide between columns that hold addresses, however many each has, and alone where no cell
//! decides.

use super::header::{self, NameTier};
use super::{ColumnBasis, ListFileError};

/// Evidence about one column from the beginning of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    /// Its header or key; empty if it has none.
    pub(super) name: String,
    /// Cells that are not empty.
    pub(super) filled: usize,
    /// Cells that look like addresses.
    pub(super) addresses: usize,
    /// Cells that are an address and nothing else.
    pub(super) alone: usize,
    /// Cells with an address among words, which is no address as it stands.
    pub(super) mentions: usize,
}

/// The decision about a column of addresses beside which an empty one has a name for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnfilledPolicy {
    /// A person is asked: what stands below is not known.
    Ask,
    /// A person is asked if its name says that the addresses are of somebody else: nothing stands
    /// below.
    AskIfForeign,
    /// It is taken: the list was taken by it before.
    Take,
    /// It is taken, and a fuller column of the other side beside one that is not empty too: so was
    /// the list, by rules under which the other side did not give way.
    TakeFuller,
}

/// The numbers, from 0, of the columns with the addresses: one, or those `asked` for.
///
/// # Errors
/// [`ListFileError`]: there is none, there are several, or one `asked` for is not there.
pub(super) fn choose(
    profiles: &[Profile],
    asked: Option<&str>,
    policy: UnfilledPolicy,
) -> Result<(Vec<usize>, ColumnBasis), ListFileError> {
    match asked {
        Some(asked) => all_named(profiles, asked).map(|columns| (columns, ColumnBasis::Asked)),
        None => found(profiles, policy).map(|(column, basis)| (vec![column], basis)),
    }
}

/// The columns beside `chosen` that are called a name for addresses of the same people, and hold
/// them.
pub(super) fn passed_over(profiles: &[Profile], chosen: usize) -> Vec<usize> {
    let holds_addresses = |profile: &Profile| {
        profile.addresses * 2 >= profile.filled.max(1)
            && profile.addresses * 10 > profiles[chosen].addresses
            && header::is_theirs(&profile.name)
    };
    (0..profiles.len()).filter(|&i| i != chosen && holds_addresses(&profiles[i])).collect()
}

/// The column that `asked` names with `--consent-column`.
pub(super) fn choose_consents(profiles: &[Profile], asked: &str) -> Result<usize, ListFileError> {
    named(profiles, asked).map_err(|error| match error {
        ListFileError::UnknownColumn { asked, columns, .. } => {
            ListFileError::UnknownColumn { asked, option: "--consent-column", columns }
        }
        error => error,
    })
}

/// The columns that `asked` names: one by its whole text, or several with commas between them.
fn all_named(profiles: &[Profile], asked: &str) -> Result<Vec<usize>, ListFileError> {
    let whole = named(profiles, asked);
    if whole.is_ok() || !asked.contains(',') {
        return whole.map(|column| vec![column]);
    }
    let mut columns = Vec::new();
    for part in asked.split(',') {
        let column = named(profiles, part)?;
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    Ok(columns)
}

fn found(
    profiles: &[Profile],
    policy: UnfilledPolicy,
) -> Result<(usize, ColumnBasis), ListFileError> {
    if let [only] = profiles
        && (only.addresses > 0 || header::tier(&only.name) >= NameTier::Qualified)
    {
        return Ok((0, ColumnBasis::Only));
    }
    if let Some(found) = by_content(profiles, policy)? {
        return Ok(found);
    }
    for tier in [NameTier::Address, NameTier::Qualified, NameTier::Related] {
        match of_tier(profiles, 0..profiles.len(), tier)[..] {
            [] => {}
            [index] => return Ok((index, ColumnBasis::Name)),
            ref several if tier >= NameTier::Qualified => return Err(ambiguous(profiles, several)),
            _ => break,
        }
    }
    // A list in such a state that most of its addresses are none.
    let most = profiles.iter().map(|profile| profile.addresses).max().unwrap_or(0);
    let mut best = (0..profiles.len()).filter(|&i| most > 0 && profiles[i].addresses == most);
    match (best.next(), best.next()) {
        (Some(index), None) => Ok((index, ColumnBasis::Content)),
        // Lines of words with an address in each: they are not read, and shown to a person.
        _ if matches!(profiles, [only] if only.mentions * 2 >= only.filled.max(1)) => {
            Ok((0, ColumnBasis::Content))
        }
        _ => Err(ListFileError::NoAddressColumn { columns: labels(profiles) }),
    }
}

/// The column with addresses that has the best name, and the basis on which it was found; `None` if
/// no name is one for addresses, and no cells decide.
///
/// # Errors
/// [`ListFileError::AmbiguousColumn`], [`ListFileError::UnfilledColumn`].
fn by_content(
    profiles: &[Profile],
    policy: UnfilledPolicy,
) -> Result<Option<(usize, ColumnBasis)>, ListFileError> {
    let addressed: Vec<usize> =
        (0..profiles.len()).filter(|&i| profiles[i].addresses > 0).collect();
    let best = addressed.iter().map(|&i| header::tier(&profiles[i].name)).max();
    let best = best.unwrap_or_default();
    let most = addressed.iter().map(|&i| profiles[i].addresses).max().unwrap_or_default();
    if best < NameTier::Qualified {
        let found = filled(profiles, addressed)?;
        return found.map(|index| unless_unfilled(profiles, index, policy)).transpose();
    }
    // A fuller column is no better: the owner of an account has an address in each row, and many
    // customers have none. So has the vendor, whose column may also be what the list is about.
    let is_other_side = |i: usize| header::is_other_side(&profiles[i].name);
    let mut named = of_tier(profiles, addressed.iter().copied(), best);
    if policy != UnfilledPolicy::TakeFuller && named.iter().any(|&i| !is_other_side(i)) {
        named.retain(|&i| !is_other_side(i));
    }
    let (index, basis) = match filled(profiles, named.clone())? {
        Some(index) => (index, ColumnBasis::Content),
        None => (decide(profiles, named)?, ColumnBasis::Name),
    };
    let found = &profiles[index];
    // An address here and there in a column of something else, or one that is all but empty beside
    // a full one: nobody can tell.
    let is_doubtful = found.addresses * 10 < found.filled || found.addresses * 50 < most;
    if is_doubtful && let Some(rival) = filled(profiles, addressed)?.filter(|rival| *rival != index)
    {
        return Err(ambiguous(profiles, &[index, rival]));
    }
    if is_other_side(index) {
        unless_unfilled(profiles, index, policy)?;
    }
    Ok(Some((index, basis)))
}

/// The column of addresses `found` by its content alone, unless an empty one has a name for them
/// and `policy` asks about it: databases sort what is empty to the front, and below it may be the
/// customers, whose owners have an address in each row.
///
/// # Errors
/// [`ListFileError::UnfilledColumn`].
fn unless_unfilled(
    profiles: &[Profile],
    found: usize,
    policy: UnfilledPolicy,
) -> Result<(usize, ColumnBasis), ListFileError> {
    let name = &profiles[found].name;
    let is_foreign = header::tier(name) == NameTier::Related || header::is_other_side(name);
    let asks = match policy {
        UnfilledPolicy::Ask => true,
        UnfilledPolicy::AskIfForeign => is_foreign,
        UnfilledPolicy::Take | UnfilledPolicy::TakeFuller => false,
    };
    let is_unfilled =
        |it: &Profile| it.filled == 0 && header::tier(&it.name) >= NameTier::Qualified;
    match profiles.iter().position(is_unfilled).filter(|_| asks) {
        Some(named) => Err(ListFileError::UnfilledColumn {
            named: label(profiles, named),
            filled: label(profiles, found),
            columns: labels(profiles),
        }),
        None => Ok((found, ColumnBasis::Content)),
    }
}

/// The one of `columns` most of whose cells are addresses.
///
/// # Errors
/// [`ListFileError::AmbiguousColumn`].
fn filled(profiles: &[Profile], columns: Vec<usize>) -> Result<Option<usize>, ListFileError> {
    let mut columns = columns;
    columns.retain(|&i| profiles[i].addresses * 2 >= profiles[i].filled);
    let Some(most) = columns.iter().map(|&i| profiles[i].addresses).max() else { return Ok(None) };
    // A column with an address here and there, such as our own suggestions, is no rival.
    columns.retain(|&i| profiles[i].addresses * 10 > most);
    let best = columns.iter().map(|&i| header::tier(&profiles[i].name)).max().unwrap_or_default();
    decide(profiles, of_tier(profiles, columns, best)).map(Some)
}

/// The best of `rivals`, whose names are alike: the one with far more addresses than the others, or
/// the only one whose addresses stand alone. Beside `jane@a.test` address books have a name to
/// show, `Jane (jane@a.test)`.
///
/// # Errors
/// [`ListFileError::AmbiguousColumn`].
fn decide(profiles: &[Profile], rivals: Vec<usize>) -> Result<usize, ListFileError> {
    let mut rivals = rivals;
    rivals.sort_by_key(|&i| std::cmp::Reverse(profiles[i].addresses));
    match rivals[..] {
        [index] => Ok(index),
        [first, second, ..] if profiles[second].addresses * 2 <= profiles[first].addresses => {
            Ok(first)
        }
        _ => {
            let is_alone = |i: &usize| profiles[*i].alone * 2 >= profiles[*i].addresses;
            let mut alone = rivals.iter().copied().filter(is_alone);
            match (alone.next(), alone.next()) {
                (Some(index), None) => Ok(index),
                _ => Err(ambiguous(profiles, &rivals)),
            }
        }
    }
}

fn of_tier(
    profiles: &[Profile],
    columns: impl IntoIterator<Item = usize>,
    tier: NameTier,
) -> Vec<usize> {
    columns.into_iter().filter(|&i| header::tier(&profiles[i].name) == tier).collect()
}

/// The column that is called `asked`, or has that number.
fn named(profiles: &[Profile], asked: &str) -> Result<usize, ListFileError> {
    let wanted = asked.trim();
    let folded = header::fold(wanted);
    let rules: [&dyn Fn(&str) -> bool; 2] =
        [&|name| name.trim() == wanted, &|name| !folded.is_empty() && header::fold(name) == folded];
    for rule in rules {
        let columns: Vec<usize> =
            (0..profiles.len()).filter(|&i| rule(&profiles[i].name)).collect();
        match columns[..] {
            [] => {}
            [index] => return Ok(index),
            _ => {
                return Err(ListFileError::DuplicateColumn {
                    asked: asked.to_owned(),
                    numbers: columns.iter().map(|i| i + 1).collect(),
                    columns: columns.iter().map(|&i| label(profiles, i)).collect(),
                });
            }
        }
    }
    let number = wanted.parse().ok().filter(|number| (1..=profiles.len()).contains(number));
    number.map(|number| number - 1).ok_or_else(|| ListFileError::UnknownColumn {
        asked: asked.to_owned(),
        option: "--column",
        columns: labels(profiles),
    })
}

fn ambiguous(profiles: &[Profile], candidates: &[usize]) -> ListFileError {
    let candidates = candidates.iter().map(|&i| label(profiles, i)).collect();
    ListFileError::AmbiguousColumn { candidates, columns: labels(profiles) }
}

fn labels(profiles: &[Profile]) -> Vec<String> {
    (0..profiles.len()).map(|i| label(profiles, i)).collect()
}

/// A column as a message names it: `2 (Email)`.
fn label(profiles: &[Profile], index: usize) -> String {
    match &*profiles[index].name {
        "" => format!("{}", index + 1),
        name => format!("{} ({name})", index + 1),
    }
}
