//! Claims about suppression lists as they are read.

use std::cell::Cell;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// What was found in a suppression list, and who is excluded by it.
fn read(
    text: &str,
    rules: ExclusionRules,
) -> Result<(ExclusionSummary, ExclusionMatcher), ExclusionError> {
    let octets = text.len() as u64;
    let limits = ExclusionLimits::default();
    let list = ExclusionList { name: "gone.csv", octets, is_imported: false, limits };
    let mut matcher = ExclusionMatcher::default();
    Ok((list.read_into(|| Ok(text.as_bytes()), rules, &mut matcher)?, matcher))
}

/// The findings about a suppression list, and those of `asked` that it does not exclude.
fn left<'a>(list: &str, asked: &[&'a str]) -> (String, Vec<&'a str>) {
    let (summary, matcher) = read(list, ExclusionRules::All).unwrap();
    let is_asked = |address: &&str| {
        let line = format!("{address}\n");
        let mut reader = Reader::open(line.as_bytes(), &ReaderOptions::default()).unwrap();
        let row = reader.next().unwrap().unwrap();
        row.addresses().any(|address| !matcher.is_excluded(address))
    };
    (summary.to_string(), asked.iter().copied().filter(is_asked).collect())
}

#[test]
fn whoever_stands_in_any_column_of_a_suppression_list_is_excluded() {
    let four = ["jane@acme.test", "bob@acme.test", "carl@acme.test", "dora@acme.test"];
    let list = "email,email2\njane@acme.test,bob@acme.test\ncarl@acme.test,dora@acme.test\n";
    let said = "4 addresses to exclude, in column 1 \"email\" and column 2 \"email2\"";
    assert_eq!(left(list, &four), (said.to_owned(), vec![]));
    let list = list.replace("email,email2", "Customer Email,Billing Email");
    assert_eq!(left(&list, &four).1, [""; 0]);
    let list =
        "{\"emails\":[\"jane@acme.test\",\"bob@acme.test\"],\"cc\":{\"a\":\"carl@acme.test\"}}\n";
    assert_eq!(left(list, &four).1, ["dora@acme.test"]);
}

#[test]
fn a_list_is_read_whatever_its_columns_are_called() {
    let list = "Email,1,1\njane@acme.test,bob@acme.test,x\n";
    assert_eq!(left(list, &["jane@acme.test", "bob@acme.test"]).1, [""; 0]);
    let error = read("{}\n{}\n", ExclusionRules::All).unwrap_err();
    assert!(matches!(error, ExclusionError::NoEntry), "{error}");
}

#[test]
fn a_list_of_nothing_but_a_free_provider_is_refused_by_its_name() {
    for list in ["gmail.com\n", "domain\ngmail.com\n"] {
        let error = read(list, ExclusionRules::All).unwrap_err().to_string();
        assert!(error.contains("nobody is excluded at gmail.com"), "{list}: {error}");
    }
}

#[test]
fn a_long_cell_is_read_to_its_end() {
    let many: Vec<String> = (0..300).map(|n| format!("g{n}@acme.test")).collect();
    let list = format!("email,note\n{},{}\n", many.join(";"), "x y ".repeat(2_000));
    assert_eq!(left(&list, &["g0@acme.test", "g299@acme.test"]).1, [""; 0]);
}

#[test]
fn a_list_is_read_twice_only_for_a_column_of_domains_or_of_hashes() {
    let times = |text: &str| {
        let opened = Cell::new(0);
        let open = || {
            opened.set(opened.get() + 1);
            Ok(text.as_bytes())
        };
        let octets = text.len() as u64;
        let limits = ExclusionLimits::default();
        let list = ExclusionList { name: "gone.csv", octets, is_imported: false, limits };
        list.read_into(open, ExclusionRules::All, &mut ExclusionMatcher::default()).unwrap();
        opened.get()
    };
    assert_eq!(times("email,day\njane@acme.test,1\n@acme.com,2\n*.acme.de,3\n"), 1);
    assert_eq!(times("email,domain\njane@acme.test,acme.test\n"), 1, "it excludes nobody");
    assert_eq!(times("domain,day\nacme.com,1\nacme.de,2\n"), 2);
    assert_eq!(times("md5,day\n973859b40902a6a0306578b6faa1916d,1\n"), 2);
}

#[test]
fn the_entries_of_all_lists_are_bounded_together() {
    let hash = "973859b40902a6a0306578b6faa1916d\n";
    let mut matcher = ExclusionMatcher::default();
    let mut read = |text: &str| {
        let limits = ExclusionLimits { entries: 3, ..ExclusionLimits::default() };
        let octets = text.len() as u64;
        let list = ExclusionList { name: "gone.csv", octets, is_imported: false, limits };
        list.read_into(|| Ok(text.as_bytes()), ExclusionRules::All, &mut matcher)
    };
    assert!(read("jane@acme.test\nJane@acme.test\n").is_ok(), "one address, twice");
    assert!(read("@acme.com\n@acme.de\n").is_ok());
    let error = read(hash).unwrap_err();
    assert!(error.to_string().contains("more than 3 addresses, domains and hashes"), "{error}");
}

#[test]
fn a_packed_list_is_read_no_further_than_is_taken() {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    let blank = format!("{}\n", " ".repeat(1023)).repeat(2048);
    packer.write_all(format!("jane@acme.test\n{blank}").as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    let limits = ExclusionLimits { unpacked: 1 << 20, ..ExclusionLimits::default() };
    let octets = packed.len() as u64;
    let list = ExclusionList { name: "gone.csv.gz", octets, is_imported: false, limits };
    let mut matcher = ExclusionMatcher::default();
    let error = list.read_into(|| Ok(&*packed), ExclusionRules::All, &mut matcher).unwrap_err();
    assert!(error.to_string().contains("1 MiB unpacked"), "{error}");
}

#[test]
fn rows_that_are_not_clear_are_counted_and_told() {
    let list = "email\njane@acme.test\n@acme.test\nacme.com\n*@acme.test\n\n\
                9e26471d35a78862c17e467d87cddedf\n";
    let (said, asked) = left(list, &["jane@acme.test", "bob@acme.test", "bob@acme.com"]);
    assert_eq!(
        said,
        "1 address and 2 domains to exclude, in column 1 \"email\"; 2 rows have no address, \
         and no domain or hash that is clear (first: row 3, line 4): @example.com is a domain \
         wherever it stands"
    );
    assert_eq!(asked, ["bob@acme.com"]);
    assert_eq!(left("email,name\n,\n,\n", &[]).0, "0 addresses to exclude");
    let error = read("name,note\nacme,1\n", ExclusionRules::All).unwrap_err();
    assert!(matches!(error, ExclusionError::NoEntry), "{error}");
}

#[test]
fn a_first_row_that_excludes_somebody_names_no_column_and_is_counted_as_a_row() {
    let hash = "973859b40902a6a0306578b6faa1916d";
    for (list, counts) in [
        ("@acme.com,why\n@acme.de,why\nacme,why\n".to_owned(), "2 domains"),
        (
            "acme.com,why\nacme.de,why\nacme.fr,why\nacme.it,why\nacme.es,why\nacme.pl,why\n\
          acme.nl,why\nacme.be,why\nacme.at,why\nacme,why\n"
                .to_owned(),
            "9 domains",
        ),
        (format!("{}x,y\n", format!("{hash},why\n").repeat(9)), "9 hashes"),
    ] {
        let said = read(&list, ExclusionRules::All).unwrap().0.to_string();
        let last = list.lines().count();
        let row = format!("(first: row {last}, line {last})");
        assert!(said.starts_with(&format!("{counts} to exclude; 1 row has ")), "{said}");
        assert!(said.contains(&row), "{row}: {said}");
    }
}

#[test]
fn a_first_row_of_a_domain_of_everybody_names_no_column_either() {
    let list = "gmail.com,why\nacme.com,why\nacme.de,why\n";
    let said = read(list, ExclusionRules::All).unwrap().0.to_string();
    assert!(said.starts_with("2 domains to exclude; nobody is excluded at gmail.com, "), "{said}");
}

#[test]
fn a_header_of_names_with_dots_and_no_rows_is_an_empty_list() {
    for list in ["user.mail,user.phone\n", "user.email,created.at,first.name\n", "nr.,seit\n"] {
        assert_eq!(left(list, &[]).0, "0 addresses to exclude", "{list}");
    }
}

#[test]
fn a_list_of_domains_excludes_everybody_at_them_in_its_first_row_too() {
    let asked = ["jane@acme.com", "bob@acme.de", "eve@mail.acme.de", "carl@email.la"];
    for list in [
        "acme.com\nacme.de\nemail.la\n",
        "email.la\nacme.com\nacme.de\n",
        "acme.com,competitor\nacme.de,customer\nemail.la,customer\n",
        "Domain,Reason\nacme.com,competitor\nacme.de,customer\nemail.la,x\n",
        "{\"domain\":\"acme.com\"}\n{\"domain\":\"acme.de\"}\n{\"domain\":\"email.la\"}\n",
    ] {
        assert_eq!(left(list, &asked).1, ["eve@mail.acme.de"], "{list}");
    }
    assert_eq!(left("acme.com,competitor\n", &asked[..1]).1, [""; 0], "a single row");
}

#[test]
fn a_domain_beside_an_address_is_that_of_somebody_and_is_named() {
    let list = "email,domain\njane@acme.com,acme.com\nbob@acme.com,acme.com\n";
    let (said, asked) = left(list, &["jane@acme.com", "eve@acme.com"]);
    assert_eq!(
        said,
        "2 addresses to exclude, in column 1 \"email\"; column 2 \"domain\" stands beside \
         addresses or hashes of them, and its domains exclude nobody: write @example.com to \
         exclude one"
    );
    assert_eq!(asked, ["eve@acme.com"]);
    // Of whom a suppression file of an agency tells nothing but a hash.
    let list = "md5,domain\n973859b40902a6a0306578b6faa1916d,acme.com\n";
    let (said, asked) = left(list, &["jane@acme.test", "eve@acme.com"]);
    assert!(said.starts_with("1 hash to exclude, in column 1 \"md5\"; column 2 "), "{said}");
    assert_eq!(asked, ["eve@acme.com"]);
}

#[test]
fn a_domain_of_everybody_is_named_and_counts_only_with_a_mark() {
    let asked = ["jane@gmail.com", "bob@acme.com", "carl@aol.com"];
    let (said, asked) = left("domain\nacme.com\ngmail.com\n@aol.com\n", &asked);
    assert_eq!(asked, ["jane@gmail.com"]);
    for part in [
        "2 domains to exclude; everybody is excluded at aol.com, where anybody may have an ",
        "; nobody is excluded at gmail.com, where anybody may have an address: write it with ",
        "; 1 row has no address, and no domain or hash that is clear (first: row 3, line 3)",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn an_address_with_a_quoted_local_part_or_a_route_excludes_nobody_else_at_its_domain() {
    let list = "\"\"\"jane@acme.test\"\"@gmail.com\"\n<@aol.com:bob@acme.test>\n";
    let list = format!("email,day\n{}", list.replace('\n', ",1\n"));
    let asked = ["eve@gmail.com", "carl@aol.com"];
    assert_eq!(left(&list, &asked).1, asked, "{list}");
}

#[test]
fn a_column_of_hashes_excludes_whom_they_are_of() {
    // MD5 of the one, SHA-1 of the other.
    let [jane, bob] =
        ["973859b40902a6a0306578b6faa1916d", "512099ee0d83bc53a12d7bfc908abcca4a743cc2"];
    let asked = ["Jane@acme.test", "bob@acme.test", "eve@acme.test"];
    for list in [
        format!("{jane}\n{bob}\n"),
        format!("md5\n{}\n{bob}\n", jane.to_uppercase()),
        format!("hash,day\n{jane},2025-01-01\n{bob},2025-01-02\n"),
    ] {
        let (said, asked) = left(&list, &asked);
        assert!(said.starts_with("2 hashes to exclude"), "{said}");
        assert_eq!(asked, ["eve@acme.test"], "{list}");
    }
}

#[test]
fn by_the_rules_of_an_older_version_domains_and_hashes_exclude_nobody() {
    let list = "email\njane@acme.test\n@acme.com\n";
    let (summary, matcher) = read(list, ExclusionRules::Addresses).unwrap();
    assert!(summary.to_string().starts_with("1 address to exclude, in column 1 \"email\"; "));
    assert!(matcher.is_excluded("jane@acme.test") && !matcher.is_excluded("bob@acme.com"));
    let (_, matcher) = read(list, ExclusionRules::OneColumn).unwrap();
    assert!(!matcher.is_excluded("bob@acme.com"));
}

#[test]
fn a_single_row_of_a_domain_is_an_empty_list_to_an_older_version() {
    for list in ["acme.com,competitor\n", "973859b40902a6a0306578b6faa1916d,customer\n"] {
        let (summary, matcher) = read(list, ExclusionRules::Addresses).unwrap();
        assert_eq!(summary, ExclusionSummary::default(), "{list}");
        assert!(matcher.is_empty(), "{list}");
    }
}

#[test]
fn of_a_cell_that_can_be_read_in_two_ways_each_address_is_excluded() {
    let three = ["jane@acme.test", "bob@acme.test", "carl@acme.test"];
    for list in [
        "Email,When\n\"jane@acme.test; Bob bob@acme.test\",1\n",
        "Email,When\n\"Jane jane@acme.test, Bob <bob@acme.test>\",1\n",
        "{\"email\":\"x@acme.test\"}\n{\"email\":\"jane@acme.test bob@acme.test\",}\n",
    ] {
        assert_eq!(left(list, &three).1, ["carl@acme.test"], "{list}");
    }
}
