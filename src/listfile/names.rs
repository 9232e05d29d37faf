//! Names of columns that are not there yet.

/// `wanted`, each changed until no column of `taken` has it (case does not count): `verdict`, then
/// `mailvet_verdict`, then `mailvet_verdict_2`. So a list that went through mailvet before keeps
/// its old answers beside the new ones.
pub(super) fn distinct(taken: &[String], wanted: &[&str]) -> Vec<String> {
    let mut taken: Vec<String> = taken.iter().map(|name| plain(name)).collect();
    let mut names = Vec::with_capacity(wanted.len());
    for name in wanted {
        let ours = format!("mailvet_{name}");
        let numbered = (2..).map(|number| format!("{ours}_{number}"));
        let free = [(*name).to_owned(), ours.clone()]
            .into_iter()
            .chain(numbered)
            .find(|candidate| !taken.contains(&plain(candidate)));
        let free = free.unwrap_or(ours);
        taken.push(plain(&free));
        names.push(free);
    }
    names
}

/// `columns` as the keys of an object: none empty (`column_3`), none twice (`tel_2`).
pub(super) fn keys(columns: &[String]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::with_capacity(columns.len());
    for (index, name) in columns.iter().enumerate() {
        let name = name.trim();
        let base = if name.is_empty() { column(index) } else { name.to_owned() };
        let mut key = base.clone();
        let mut number = 2;
        while keys.contains(&key) || number > 2 && columns.contains(&key) {
            key = format!("{base}_{number}");
            number += 1;
        }
        keys.push(key);
    }
    keys
}

/// The key of a field that has no column.
pub(super) fn column(index: usize) -> String {
    format!("column_{}", index + 1)
}

fn plain(name: &str) -> String {
    name.trim().to_lowercase()
}
