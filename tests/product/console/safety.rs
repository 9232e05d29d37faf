//! What others try: without a key, with another's session, from another site, by what stands in a
//! list.

use std::io::Write as _;

use mailvet::access;
use tempfile::NamedTempFile;

use super::browser::{Browser, sign_in, sign_in_for, token};
use super::{LIST, product};
use crate::http::client::HttpRequest;
use crate::product::Product;

pub(super) async fn with_keys() -> (Product, Vec<String>, NamedTempFile) {
    let mut file = NamedTempFile::new().unwrap();
    let keys: Vec<String> = [("crm", 1), ("shop", 2)]
        .into_iter()
        .map(|(name, seed)| {
            let issued = access::issue(name, [seed; 32], None).unwrap();
            write!(file, "{}", issued.entry).unwrap();
            issued.key
        })
        .collect();
    let path = file.path().to_owned();
    let product = Product::with(|config| {
        config.server.api_keys = Some(path);
        config.server.http.console = true;
    })
    .await;
    (product, keys, file)
}

#[tokio::test]
async fn without_a_key_there_is_the_sign_in_page_and_nothing_else() {
    let (product, keys, _file) = with_keys().await;
    for path in ["/console/", "/console/batches/x", "/console/lists/x", "/console/batches/x/live"] {
        let answer = HttpRequest::get(path).send(product.address).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.body.contains("API key") && answer.header("set-cookie").is_none());
    }
    for path in ["/console/lists", "/console/verify", "/console/batches/x/delete"] {
        let answer = HttpRequest::new("POST", path).send(product.address).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.body.contains("nothing was changed"), "{}", answer.body);
    }
    for key in ["", "wrong", "two\r\nlines", &keys[0][..10]] {
        let answer = sign_in(&product, key).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.header("set-cookie").is_none());
    }
    product.stop().await;
}

#[tokio::test]
async fn who_signs_in_comes_to_the_page_that_was_asked_for_and_to_no_other_place() {
    let (product, keys, _file) = with_keys().await;
    let leads_to = |page: &str| format!(r#"name="next" value="{page}""#);
    for (path, page) in [
        ("/console/?before=x", "/console/?before=x"),
        ("/console/outcomes", "/console/outcomes"),
        ("/console/lists/x", "/console/lists/x"),
        ("/console/batches/x", "/console/batches/x"),
        ("/console/batches/x/clean", "/console/batches/x"),
        ("/console/batches/x/delete", "/console/batches/x"),
        ("/console/sign-in", "/console/"),
    ] {
        let asked = HttpRequest::get(path).send(product.address).await;
        assert_eq!(asked.status, 401, "{path}: {asked:?}");
        assert!(asked.body.contains(&leads_to(page)), "{path}: {}", asked.body);
        let wrong = sign_in_for(&product, "wrong", page).await;
        assert!(wrong.body.contains(&leads_to(page)), "it is not forgotten: {}", wrong.body);
        let answer = sign_in_for(&product, &keys[0], page).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some(page)), "{answer:?}");
    }
    let form = HttpRequest::new("POST", "/console/lists/x/start").send(product.address).await;
    assert!(form.body.contains(&leads_to("/console/lists/x")), "{}", form.body);
    for place in
        ["", "https://evil.example/", "//evil.example/", "/v1/batches", "/console/\r\nx: y"]
    {
        let answer = sign_in_for(&product, &keys[0], place).await;
        let location = (answer.status, answer.header("location"));
        assert_eq!(location, (303, Some("/console/")), "{place}: {answer:?}");
    }
    product.stop().await;
}

#[tokio::test]
async fn a_session_sees_the_lists_of_its_own_key() {
    let (product, keys, _file) = with_keys().await;
    let (crm, shop) =
        (Browser::sign_in(&product, &keys[0]).await, Browser::sign_in(&product, &keys[1]).await);
    let draft = crm.upload("secret.csv", LIST.as_bytes()).await;
    assert_eq!(shop.get(&draft).await.status, 404);
    assert_eq!(shop.post(&format!("{draft}/start"), &[]).await.status, 404);
    let path = crm.start("secret.csv", LIST.as_bytes()).await;
    for of in ["", "/live", "/all"] {
        assert_eq!(shop.get(&format!("{path}{of}")).await.status, 404, "{of}");
    }
    for action in ["cancel", "delete"] {
        assert_eq!(shop.post(&format!("{path}/{action}"), &[]).await.status, 404, "{action}");
    }
    assert!(!shop.get("/console/").await.body.contains("secret.csv"));
    crm.report(&path).await;
    product.stop().await;
}

#[tokio::test]
async fn a_stolen_or_chosen_cookie_is_no_key_and_signing_out_ends_it() {
    let (product, keys, _file) = with_keys().await;
    let browser = Browser::sign_in(&product, &keys[0]).await;
    let api = HttpRequest::get("/v1/batches").header("cookie", &browser.cookie);
    assert_eq!(api.send(product.address).await.status, 401, "the API takes no cookie");
    let chosen = HttpRequest::get("/console/").header("cookie", "mailvet=chosen-by-an-attacker");
    assert_eq!(chosen.send(product.address).await.status, 401);
    let (_, id) = browser.cookie.split_once('=').unwrap();
    let page = browser.get("/console/").await;
    assert!(!page.body.contains(id) && !page.body.contains(&keys[0]), "no page tells either");
    assert_eq!(browser.post("/console/sign-out", &[]).await.status, 303);
    assert_eq!(browser.get("/console/").await.status, 401, "the cookie is of no use any more");
    product.stop().await;
}

#[tokio::test]
async fn signing_in_on_a_second_tab_takes_the_place_of_the_first_session() {
    let (product, keys, _file) = with_keys().await;
    let browser = Browser::sign_in(&product, &keys[0]).await;
    browser.upload("people.csv", LIST.as_bytes()).await;
    let uploads = || std::fs::read_dir(product.store().join("uploads")).unwrap().count();
    assert_eq!(uploads(), 1);
    let wrong = browser.sign_in_again("wrong").send(product.address).await;
    assert_eq!(wrong.status, 401, "{wrong:?}");
    let elsewhere = browser.sign_in_again(&keys[1]).header("origin", "https://evil.example");
    assert_eq!(elsewhere.send(product.address).await.status, 403);
    assert_eq!(browser.get("/console/").await.status, 200, "neither ended the session");
    let answer = browser.sign_in_again(&keys[1]).send(product.address).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let mut second = browser.clone();
    second.cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(second.get("/console/").await.status, 200);
    assert_eq!(browser.get("/console/").await.status, 401, "the first session is over");
    assert_eq!(uploads(), 0, "and with it the list that waited in it");
    product.stop().await;
}

#[tokio::test]
async fn signing_out_removes_the_lists_that_waited() {
    let (product, keys, _file) = with_keys().await;
    let browser = Browser::sign_in(&product, &keys[0]).await;
    browser.upload("people.csv", LIST.as_bytes()).await;
    assert_eq!(browser.post("/console/sign-out", &[]).await.status, 303);
    assert_eq!(std::fs::read_dir(product.store().join("uploads")).unwrap().count(), 0);
    product.stop().await;
}

#[tokio::test]
async fn a_password_for_a_proxy_in_front_is_no_key_and_keeps_nobody_out() {
    let with = |path: &str, value: &str| HttpRequest::get(path).header("authorization", value);
    let open = product().await;
    for value in ["Basic dXNlcjpwYXNzd29yZA==", "basic dXNlcjpwYXNzd29yZA==", "Digest a=b"] {
        let answer = with("/console/", value).send(open.address).await;
        assert_eq!(answer.status, 200, "{value}: {answer:?}");
    }
    open.stop().await;
    let (product, keys, _file) = with_keys().await;
    let basic = "Basic dXNlcjpwYXNzd29yZA==";
    assert_eq!(with("/console/", basic).send(product.address).await.status, 401, "it is no key");
    let key = format!("Bearer {}", keys[0]);
    assert_eq!(with("/console/", &key).send(product.address).await.status, 200);
    assert_eq!(with("/v1/batches", basic).send(product.address).await.status, 401, "the API");
    product.stop().await;
}

#[tokio::test]
async fn a_session_ends_with_its_key() {
    let (product, keys, file) = with_keys().await;
    let browser = Browser::sign_in(&product, &keys[0]).await;
    file.as_file().set_len(0).unwrap();
    let ended = async {
        while browser.get("/console/").await.status != 401 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::process::TIME_LIMIT, ended).await.expect("the key is withdrawn");
    product.stop().await;
}

#[tokio::test]
async fn nothing_is_changed_without_the_token_of_the_session() {
    let product = product().await;
    let (browser, other) = (Browser::open(&product).await, Browser::open(&product).await);
    let path = browser.start("people.csv", LIST.as_bytes()).await;
    browser.report(&path).await;
    for wrong in ["", "wrong", &other.token] {
        let mut forged = browser.clone();
        wrong.clone_into(&mut forged.token);
        for form in [format!("{path}/delete"), "/console/verify".into(), "/console/sign-out".into()]
        {
            let answer = forged.post(&form, &[("address", "jane.doe@acme.test")]).await;
            assert_eq!(answer.status, 403, "{form}: {answer:?}");
        }
        let answer = browser.upload_with(wrong, "people.csv", LIST.as_bytes()).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    let get = browser.get(&format!("{path}/delete")).await;
    assert_eq!((get.status, get.header("location")), (303, Some(path.as_str())), "{get:?}");
    assert_eq!(browser.get(&path).await.status, 200, "a link changes nothing");
    product.stop().await;
}

#[tokio::test]
async fn no_other_site_may_send_a_form_or_take_the_place_of_ours() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        let form = browser.form("/console/verify", &[("address", "jane.doe@acme.test")]);
        let answer = form.header("origin", origin).send(product.address).await;
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
        assert!(answer.body.contains("must pass the header"), "{}", answer.body);
        assert!(!answer.body.contains("cors_origins"), "it has no say here: {}", answer.body);
    }
    let own = format!("http://{}", product.address);
    let form = browser.form("/console/verify", &[("address", "jane.doe@acme.test")]);
    assert_eq!(form.header("origin", &own).send(product.address).await.status, 200);
    let rebound = HttpRequest::get("/console/").header("host", "evil.example");
    assert_eq!(rebound.send(product.address).await.status, 403);
    // A link elsewhere brings no cookie: no session is begun over the one that there is.
    let linked = HttpRequest::get("/console/").header("sec-fetch-site", "cross-site");
    let answer = linked.send(product.address).await;
    assert!(answer.header("set-cookie").is_none() && answer.body.contains("refresh"), "{answer:?}");
    product.stop().await;
}

#[tokio::test]
async fn what_stands_in_a_list_is_text_on_every_page_and_no_formula_in_what_we_add() {
    const EVIL: &str = "<script>alert(1)</script>";
    let product = product().await;
    let browser = Browser::open(&product).await;
    let list = format!(
        "{EVIL},email\nx,\"\"\"<img src=x onerror=alert(1)>\"\"@acme.test\"\nx,=cmd@acme.test\n\
         x,<b>bold</b>@acme.test\nx,jane.doe@acme.test\n"
    );
    let name = "<img src=x onerror=alert(2)>.csv";
    let found = browser.upload(name, list.as_bytes()).await;
    let path = browser.start(name, list.as_bytes()).await;
    let report = browser.report(&path).await;
    let one = browser.post("/console/verify", &[("address", EVIL)]).await;
    let pages = [browser.get(&found).await, browser.get("/console/").await, report, one];
    for page in pages {
        for code in ["<img", EVIL, "<b>bold", "onerror=alert(1)>"] {
            assert!(!page.body.contains(code), "{code}: {}", page.body);
        }
        assert!(page.body.contains("&#60;"), "it is shown as text: {}", page.body);
    }
    let all = browser.get(&format!("{path}/all")).await;
    let formula = all.body.lines().find(|line| line.starts_with("x,=cmd@acme.test,")).unwrap();
    assert!(formula.contains(",'=cmd@acme.test,"), "{formula}");
    product.stop().await;
}

#[tokio::test]
async fn no_page_may_load_or_run_what_we_do_not_serve() {
    let product = product().await;
    let browser = Browser::open(&product).await;
    let found = browser.upload("people.csv", LIST.as_bytes()).await;
    let report = browser.start("people.csv", LIST.as_bytes()).await;
    browser.report(&report).await;
    let missing = "/console/batches/x";
    for path in ["/console/", &found, &report, missing, "/console/style.css", "/console/page.js"] {
        let page = browser.get(path).await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        if page.header("content-type").unwrap().starts_with("text/html") {
            for inline in ["<style", " style=", "javascript:", " onclick", "://"] {
                assert!(!page.body.contains(inline), "{path} holds {inline}: {}", page.body);
            }
            let scripts = page.body.matches("<script").count();
            assert_eq!(scripts, page.body.matches("<script type=\"module\" src=\"/").count());
            assert!(!token(&browser.get("/console/").await).is_empty());
        }
    }
    product.stop().await;
}
