//! Suppression files at the console.

use super::browser::Browser;
use super::product;

/// The exchanger of `northwind.test`.
const NORTHWIND: &str = "northwind-test.mail.protection.outlook.com";

/// MD5 of `sales@acme.test`, as `md5sum` writes it.
const SALES: &str = "225c427be9fcf5af946b455b4f7bcefd  -\n";

const PEOPLE: &str = "Nr,E-Mail\n1,jane.doe@acme.test\n2,lea.martin@northwind.test\n\
                      3,gone@northwind.test\n4,sales@acme.test\n5,John <John.Smith@acme.test>\n\
                      6,nobody@acme.test\n";

#[tokio::test]
async fn whoever_is_on_a_suppression_file_is_never_asked_about_and_comes_back_suppressed() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let draft = browser.upload("people.csv", PEOPLE.as_bytes()).await;
    let gone = "who,why\njohn.smith@acme.test,unsubscribed\n@northwind.test,competitor\n";
    for (name, file) in [("gone.csv", gone), ("agency.txt", SALES)] {
        let answer = browser.exclude(&browser.token, &draft, name, file.as_bytes()).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some(&*draft)), "{answer:?}");
    }
    let page = browser.get(&draft).await;
    for told in [
        "<dt>with an address</dt><dd>6</dd>",
        "<dt>left out</dt><dd>4</dd>",
        "4 rows are left out (2 by a domain, 1 by a hash).",
        "<bdi>gone.csv</bdi>: 1 address and 1 domain to exclude",
        "<bdi>agency.txt</bdi>: 1 hash to exclude",
    ] {
        assert!(page.body.contains(told), "{told}: {}", page.body);
    }
    let uploads = || std::fs::read_dir(product.store().join("uploads")).unwrap().count();
    assert_eq!(uploads(), 3);
    let answer = browser.post(&format!("{draft}/start"), &[("send_to", "all")]).await;
    let batch = answer.header("location").unwrap().to_owned();
    let report = browser.report(&batch).await;
    assert!(report.body.contains("on your own suppression lists"), "{}", report.body);
    assert_eq!(uploads(), 2, "the list and how it is read; the suppression files are gone");
    let counts = product.sandbox.counts();
    assert_eq!(counts.exchanger(NORTHWIND).connections, 0, "{counts:?}");
    let all = browser.get(&format!("{batch}/all")).await;
    for row in [
        "2,lea.martin@northwind.test,risky,suppress,opted_out,",
        "3,gone@northwind.test,risky,suppress,opted_out,",
        "4,sales@acme.test,risky,suppress,opted_out,",
        "5,John <John.Smith@acme.test>,risky,suppress,opted_out,",
    ] {
        assert!(all.body.contains(row), "{row}: {}", all.body);
    }
    let rows = async |part: &str| {
        let answer = browser.get(&format!("{batch}/{part}")).await;
        answer.body.lines().skip(1).map(|line| line[..1].to_owned()).collect::<String>()
    };
    assert_eq!(
        (rows("clean").await, rows("review").await, rows("suppress").await),
        ("1".to_owned(), String::new(), "23456".to_owned())
    );
    product.stop().await;
}

#[tokio::test]
async fn a_suppression_file_stays_when_the_column_changes_and_goes_when_nobody_is_to_be_left_out() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let list = "E-Mail,Second e-mail\njane.doe@acme.test,nobody@acme.test\n";
    let draft = browser.upload("people.csv", list.as_bytes()).await;
    let answer = browser.exclude(&browser.token, &draft, "gone.txt", b"jane.doe@acme.test\n").await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let page = browser.get(&draft).await;
    assert!(page.body.contains("Nobody is left to ask about"), "{}", page.body);
    let answer = browser.post(&format!("{draft}/start"), &[("send_to", "all")]).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let answer = browser.post(&format!("{draft}/column"), &[("column", "2")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let page = browser.get(&draft).await;
    assert!(page.body.contains("No row is left out."), "{}", page.body);
    assert!(page.body.contains("<bdi>gone.txt</bdi>"), "{}", page.body);
    let answer = browser.post(&format!("{draft}/include"), &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(!browser.get(&draft).await.body.contains("gone.txt"));
    let kept = std::fs::read_dir(product.store().join("uploads")).unwrap().count();
    assert_eq!(kept, 1, "the suppression file left the disk");
    product.stop().await;
}

#[tokio::test]
async fn a_suppression_file_that_cannot_be_read_is_refused_by_its_name_and_changes_nothing() {
    let product = product().await;
    let (browser, other) = (Browser::open(&product).await, Browser::open(&product).await);
    let draft = browser.upload("people.csv", PEOPLE.as_bytes()).await;
    let refused = browser.exclude(&browser.token, &draft, "notes--1.txt", b"some\nwords\n").await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("notes--1.txt"), "{}", refused.body);
    assert!(refused.body.contains(&format!(r#"href="{draft}">Back to the list<"#)), "{refused:?}");
    for token in ["", "wrong", &other.token] {
        let refused = browser.exclude(token, &draft, "gone.txt", b"a@acme.test\n").await;
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    let refused = other.exclude(&other.token, &draft, "gone.txt", b"a@acme.test\n").await;
    assert_eq!(refused.status, 404, "it is another session's list: {refused:?}");
    assert!(!browser.get(&draft).await.body.contains("left out</dt>"));
    let answer = browser.post(&format!("{draft}/start"), &[("send_to", "all")]).await;
    browser.report(answer.header("location").unwrap()).await;
    let late = browser.exclude(&browser.token, &draft, "gone.txt", b"a@acme.test\n").await;
    assert_eq!(late.status, 400, "{late:?}");
    assert!(late.body.contains("started before the file had come"), "{}", late.body);
    product.stop().await;
}
