//! Suppression lists of whole domains and of hashes.

use std::fs;

use super::{folder_with, read, run, said, vet};

const LIST: &str = "email\njane.doe@acme.test\nlea.martin@northwind.test\njohn.smith@acme.test\n";

/// SHA-256 of `john.smith@acme.test`, and of nothing on the list.
const HASHES: &str = "email_sha256\n\
    50C23EC9252D58682E4DC1A6C07201F44861C09F7618836EBDFF422A515A01AC\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";

#[test]
fn whole_domains_and_hashes_of_addresses_are_not_asked_and_the_reason_is_told() {
    let folder = folder_with("a.csv", LIST);
    let salted = "0123456789abcdef0123456789abcdef\nfedcba9876543210fedcba9876543210\n";
    for (name, list) in [
        ("domains.csv", "Domain,Reason\nnorthwind.test,customer\n"),
        ("hashes.txt", HASHES),
        ("salted.txt", salted),
    ] {
        fs::write(folder.path().join(name), list).unwrap();
    }
    let lists = ["--exclude", "domains.csv", "--exclude", "hashes.txt", "--exclude", "salted.txt"];
    let output = vet(folder.path(), &[&["a.csv", "--split", "parts"], &lists[..]].concat());
    let text = read(&folder, "a.vetted.csv");
    assert!(text.contains("lea.martin@northwind.test,risky,suppress,opted_out,"), "{text}");
    assert!(text.contains("john.smith@acme.test,risky,suppress,opted_out,"), "{text}");
    assert!(text.contains("jane.doe@acme.test,deliverable,send,"), "{text}");
    let suppressed = "lea.martin@northwind.test\njohn.smith@acme.test\n";
    assert_eq!(read(&folder, "parts/suppress.txt"), suppressed);
    for told in [
        "domains.csv: 1 domain to exclude, in column 1 \"Domain\"",
        "hashes.txt: 2 hashes to exclude",
        "2 rows on your suppression lists (1 by a domain, 1 by a hash): not asked",
        "none of the 2 hashes of salted.txt matched a row: if they are salted or of another form, \
         nobody was excluded by it",
    ] {
        assert!(said(&output).contains(told), "{told}: {}", said(&output));
    }
    assert!(!said(&output).contains("of hashes.txt matched"), "{}", said(&output));
}

#[test]
fn a_free_provider_is_excluded_where_it_is_marked_and_named_with_its_rows() {
    let folder = folder_with("a.csv", "email\njane.doe@acme.test\njane.doe@gmail.com\n");
    fs::write(folder.path().join("gone.txt"), "@gmail.com\n").unwrap();
    let output = vet(folder.path(), &["a.csv", "--exclude", "gone.txt"]);
    let told = "@gmail.com, where anybody may have an address, excluded 1 row";
    assert!(said(&output).contains(told), "{}", said(&output));
    let text = read(&folder, "a.vetted.csv");
    assert!(text.contains("jane.doe@gmail.com,risky,suppress,opted_out,"), "{text}");
    fs::write(folder.path().join("gone.txt"), "gmail.com\n").unwrap();
    let args = ["a.csv", "--sandbox", "--force", "--exclude", "gone.txt"];
    let output = run(folder.path(), &args, b"");
    assert_eq!(output.status.code(), Some(2), "it may be a mistake: {}", said(&output));
}
