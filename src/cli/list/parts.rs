//! The names of the files that `--split` writes.

use std::path::{Path, PathBuf};

use super::args::FormatArg;
use super::paths;
use crate::verdict::Verdict;

/// The file of addresses that are not to be written to, as mail services take it.
pub(super) const SUPPRESS: &str = "suppress.txt";

/// The folder for the parts of the list whose output is `output`: of several lists each has its
/// own.
pub(super) fn folder(split: &Path, output: &Path, is_alone: bool) -> PathBuf {
    if is_alone {
        return split.to_path_buf();
    }
    let plain = paths::unpacked(output);
    let stem = plain.file_stem().unwrap_or_default().to_string_lossy();
    // A list may have further dots in its name: `crm.2023` is not `crm.2024`.
    let name = stem.strip_suffix(".vetted").unwrap_or(&stem);
    split.join(if name.is_empty() { "list" } else { name })
}

/// The files that are written into `folder` beside `output`: one for each verdict, then the
/// suppression list. `is_json`: the list is one of JSON lines.
pub(super) fn paths(
    folder: &Path,
    output: &Path,
    format: Option<FormatArg>,
    is_json: bool,
) -> Vec<PathBuf> {
    let ending = ending(output, format, is_json);
    let name = |verdict: Verdict| folder.join(format!("{}.{ending}", verdict.name()));
    let mut paths: Vec<PathBuf> = Verdict::ALL.into_iter().map(name).collect();
    paths.push(folder.join(SUPPRESS));
    paths
}

/// Every file that may be written there, before it is known what the list is.
pub(super) fn possible_paths(
    folder: &Path,
    output: &Path,
    format: Option<FormatArg>,
) -> Vec<PathBuf> {
    let mut all = paths(folder, output, format, false);
    let others = paths(folder, output, format, true);
    let new = others.into_iter().filter(|path| !all.contains(path)).collect::<Vec<_>>();
    all.extend(new);
    all
}

/// The ending of the parts: that of their format, of `output`, or where that has none (a stream, a
/// bare name) of the list; with `.gz` if the output is packed, as they are.
fn ending(output: &Path, format: Option<FormatArg>, is_json: bool) -> String {
    let is_packed = output.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
    let plain = if is_packed { output.with_extension("") } else { output.to_path_buf() };
    let ending = match (format, plain.extension().and_then(|ending| ending.to_str())) {
        (Some(format), _) => format.ending(),
        (None, Some(ending)) => ending,
        (None, None) if is_json => "jsonl",
        (None, None) => "csv",
    };
    if is_packed { format!("{ending}.gz") } else { ending.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_as_what_is_in_it() {
        let part = |output: &str, format, is_json| {
            let paths = paths(Path::new("parts"), Path::new(output), format, is_json);
            paths[0].to_string_lossy().into_owned()
        };
        let json = Some(FormatArg::Jsonl);
        for (output, format, is_json, name) in [
            ("out.csv", None, false, "parts/deliverable.csv"),
            ("out.tsv", None, false, "parts/deliverable.tsv"),
            ("out.csv.gz", None, false, "parts/deliverable.csv.gz"),
            ("out.gz", None, true, "parts/deliverable.jsonl.gz"),
            ("-", None, false, "parts/deliverable.csv"),
            ("-", None, true, "parts/deliverable.jsonl"),
            ("-", json, false, "parts/deliverable.jsonl"),
            ("/dev/stdout", json, false, "parts/deliverable.jsonl"),
            ("-", Some(FormatArg::Xlsx), true, "parts/deliverable.xlsx"),
            ("-", Some(FormatArg::Csv), true, "parts/deliverable.csv"),
            ("out.txt", json, false, "parts/deliverable.jsonl"),
        ] {
            assert_eq!(part(output, format, is_json), name, "{output} {format:?}");
        }
    }

    #[test]
    fn lists_whose_names_differ_behind_a_dot_have_folders_of_their_own() {
        for (output, name) in [
            ("out/crm.2023.vetted.csv", "parts/crm.2023"),
            ("out/crm.2024.vetted.csv.gz", "parts/crm.2024"),
            ("a.vetted.csv", "parts/a"),
            ("own.csv", "parts/own"),
        ] {
            assert_eq!(folder(Path::new("parts"), Path::new(output), false), Path::new(name));
        }
        assert_eq!(folder(Path::new("parts"), Path::new("a.csv"), true), Path::new("parts"));
    }

    #[test]
    fn each_file_that_may_be_written_is_looked_at_once() {
        let possible = |output| possible_paths(Path::new("p"), Path::new(output), None).len();
        let verdicts = Verdict::ALL.len();
        assert_eq!((possible("out.csv"), possible("-")), (verdicts + 1, 2 * verdicts + 1));
    }
}
