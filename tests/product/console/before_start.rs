//! A list at the console before anybody is asked about it.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::browser::Browser;
use super::{LIST, product};
use crate::process::TIME_LIMIT;

#[tokio::test]
async fn a_list_is_shown_before_anybody_is_asked_about_it() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let path = browser.upload("people.csv", LIST.as_bytes()).await;
    let page = browser.get(&path).await;
    assert_eq!(page.status, 200, "{page:?}");
    for shown in [
        "people.csv",
        "jane.doe@acme.test",
        "<dt>with an address</dt><dd>4</dd>",
        "<dt>without an address</dt><dd>1</dd>",
        "<dt>not spelled like an address</dt><dd>1</dd>",
        r#"<option value="3" selected>3: E-Mail</option>"#,
        "How long it will take",
        ">acme.test<",
    ] {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert_eq!(product.sandbox.counts().total().connections, 0);
    let link = format!(r#"href="{path}"><bdi>people.csv<"#);
    let home = browser.get("/console/").await;
    assert!(home.body.contains(&link), "whoever left it finds it again: {}", home.body);
    let answer = browser.post(&format!("{path}/column"), &[("column", "9")]).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let answer = browser.post(&format!("{path}/column"), &[("column", "2")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let page = browser.get(&path).await;
    assert!(page.body.contains("No row holds an address to verify"), "{}", page.body);
    assert!(page.body.contains(r#"<option value="2" selected>"#), "{}", page.body);
    let answer = browser.post(&format!("{path}/column"), &[("column", "3")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let answer = browser.post(&format!("{path}/discard"), &[]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(browser.get(&path).await.status, 404);
    assert!(!browser.get("/console/").await.body.contains(&link));
    let kept = std::fs::read_dir(product.store().join("uploads")).unwrap().count();
    assert_eq!(kept, 0, "a discarded list leaves nothing");
    product.stop().await;
}

#[tokio::test]
async fn a_list_whose_column_is_open_waits_until_a_person_has_chosen_it() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let alike = "Nr,E-Mail,Mail\n1,jane.doe@acme.test,nobody@acme.test\n";
    let none = "Nr,Name\n1,Jane\n2,John\n";
    for (list, sentence) in [
        (none, "No column holds e-mail addresses."),
        (alike, "2 (E-Mail), 3 (Mail) hold e-mail addresses alike."),
    ] {
        let path = browser.upload("people.csv", list.as_bytes()).await;
        let page = browser.get(&path).await;
        assert_eq!(page.status, 200, "{page:?}");
        let open = r#" required><option value="">choose one</option>"#;
        for shown in ["people.csv", sentence, open, r#"<option value="1">1: Nr</option>"#] {
            assert!(page.body.contains(shown), "{shown}: {}", page.body);
        }
        assert!(!page.body.contains(" selected>"), "the choice is theirs: {}", page.body);
        assert!(!page.body.contains("/start"), "{}", page.body);
        let unmade = browser.post(&format!("{path}/column"), &[("column", "")]).await;
        assert_eq!(unmade.status, 303, "{unmade:?}");
        assert!(browser.get(&path).await.body.contains(sentence), "it is asked once more");
        let answer = browser.post(&format!("{path}/start"), &[("send_to", "all")]).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains("Choose the column"), "{}", answer.body);
    }
    let path = browser.upload("people.csv", alike.as_bytes()).await;
    let answer = browser.post(&format!("{path}/column"), &[("column", "3")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let page = browser.get(&path).await;
    let chosen = r#"<option value="3" selected>3: Mail</option>"#;
    assert!(page.body.contains(chosen) && page.body.contains("nobody@acme.test"), "{page:?}");
    let answer = browser.post(&format!("{path}/start"), &[("send_to", "all")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    browser.report(answer.header("location").unwrap()).await;
    product.stop().await;
}

#[tokio::test]
async fn a_list_of_one_column_without_addresses_is_refused_in_words_of_the_page() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let answer = browser.upload_with(&browser.token, "words.txt", b"just\nsome\nwords\n").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let sentence = ">No column holds e-mail addresses: is it the right file?<";
    assert!(answer.body.contains(sentence), "{}", answer.body);
    product.stop().await;
}

#[tokio::test]
async fn several_columns_of_addresses_are_read_together_where_a_person_chooses_that() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let alike = "Nr,E-Mail,Mail\n1,jane.doe@acme.test,nobody@acme.test\n";
    let better = "Nr,Email,Email 2\n1,jane.doe@acme.test,nobody@acme.test\n";
    for (list, names) in [(alike, "2: E-Mail and 3: Mail"), (better, "2: Email and 3: Email 2")] {
        let path = browser.upload("people.csv", list.as_bytes()).await;
        let page = browser.get(&path).await;
        let open = format!(r#"<option value="2,3">{names}</option>"#);
        assert!(page.body.contains(&open), "{open}: {}", page.body);
        for (column, addresses) in [("2,3", 2), ("3", 1), ("2,3", 2)] {
            let answer = browser.post(&format!("{path}/column"), &[("column", column)]).await;
            assert_eq!(answer.status, 303, "{answer:?}");
            let page = browser.get(&path).await;
            let chosen = format!(r#"<option value="{column}" selected>"#);
            assert!(page.body.contains(&chosen), "{chosen}: {}", page.body);
            let mailboxes = format!("<dt>different mailboxes</dt><dd>{addresses}</dd>");
            assert!(page.body.contains(&mailboxes), "{mailboxes}: {}", page.body);
        }
        let answer = browser.post(&format!("{path}/start"), &[("send_to", "all")]).await;
        let batch = answer.header("location").unwrap().to_owned();
        browser.report(&batch).await;
        let all = browser.get(&format!("{batch}/all")).await;
        assert!(all.body.contains(",nobody@acme.test\n"), "beside its own: {}", all.body);
    }
    product.stop().await;
}

#[tokio::test]
async fn a_column_is_the_one_that_was_chosen_also_where_columns_are_named_by_numbers() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let list = "0,1,2\nJane,jane.doe@acme.test,nobody@acme.test\n";
    let path = browser.upload("frame.csv", list.as_bytes()).await;
    for (column, shown) in [("2", "jane.doe@acme.test"), ("3", "nobody@acme.test")] {
        let answer = browser.post(&format!("{path}/column"), &[("column", column)]).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let page = browser.get(&path).await;
        let chosen = format!(r#"<option value="{column}" selected>"#);
        assert!(page.body.contains(&chosen) && page.body.contains(shown), "{}", page.body);
    }
    product.stop().await;
}

#[tokio::test]
async fn a_list_is_started_once_however_often_the_button_is_pressed() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let draft = browser.upload("people.csv", LIST.as_bytes()).await;
    let start = format!("{draft}/start");
    let (first, second) = tokio::join!(
        browser.post(&start, &[("send_to", "all")]),
        browser.post(&start, &[("send_to", "deliverable")]),
    );
    let third = browser.post(&start, &[("send_to", "all")]).await;
    let discarded = browser.post(&format!("{draft}/discard"), &[]).await;
    let shown = browser.get(&draft).await;
    let path = first.header("location").unwrap().to_owned();
    assert!(path.starts_with("/console/batches/"), "{path}");
    for answer in [&first, &second, &third, &discarded, &shown] {
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_eq!(answer.header("location"), Some(path.as_str()), "{answer:?}");
    }
    browser.report(&path).await;
    let home = browser.get("/console/").await;
    assert_eq!(home.body.matches("people.csv").count(), 1, "{}", home.body);
    assert_eq!(browser.get(&format!("{path}/all")).await.status, 200, "its file is kept");
    product.stop().await;
}

#[tokio::test]
async fn lists_are_read_again_by_as_many_as_may_arrive_at_a_time() {
    let product = product().await;
    let (browser, other) = (Browser::open(&product).await, Browser::open(&product).await);
    let draft = browser.upload("people.csv", LIST.as_bytes()).await;
    let form = other.upload_form("list.csv", b"jane.doe@acme.test\n");
    let head = format!(
        "POST /console/lists HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\ncontent-length: {}\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n",
        product.address,
        other.cookie,
        form.len()
    );
    let most = [head.as_bytes(), &form[..form.len() - 10]].concat();
    // One more is tried at a time, since the list that looks for a place may take the last one.
    let mut arriving = Vec::new();
    let filling = async {
        loop {
            let mut stream = TcpStream::connect(product.address).await.unwrap();
            stream.write_all(&most).await.unwrap();
            arriving.push(stream);
            let looked = other.upload_with(&other.token, "x.csv", b"a@acme.test\n").await;
            if looked.status == 429 {
                return;
            }
        }
    };
    tokio::time::timeout(TIME_LIMIT, filling).await.expect("some arrive at a time");
    let answer = browser.post(&format!("{draft}/column"), &[("column", "3")]).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    drop(arriving);
    let is_free = async {
        let form = format!("{draft}/column");
        while browser.post(&form, &[("column", "3")]).await.status != 303 {}
    };
    tokio::time::timeout(TIME_LIMIT, is_free).await.expect("there is room again");
    product.stop().await;
}
