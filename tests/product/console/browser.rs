//! A browser without JavaScript: it keeps a cookie, and sends the forms that it is shown.

use std::net::SocketAddr;

use crate::http::client::{HttpAnswer, HttpRequest};
use crate::process::TIME_LIMIT;
use crate::product::Product;

/// A browser at the console.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    to: SocketAddr,
    pub(crate) cookie: String,
    pub(crate) token: String,
}

impl Browser {
    /// Opens the first page.
    pub(crate) async fn open(product: &Product) -> Self {
        let answer = HttpRequest::get("/console/").send(product.address).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut browser =
            Self { to: product.address, cookie: cookie(&answer), token: String::new() };
        browser.token = token(&answer);
        browser
    }

    /// Signs in with a key.
    pub(crate) async fn sign_in(product: &Product, key: &str) -> Self {
        let answer = sign_in(product, key).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let mut browser =
            Self { to: product.address, cookie: cookie(&answer), token: String::new() };
        browser.token = token(&browser.get("/console/").await);
        browser
    }

    /// Sends the sign-in page's form, which has no token, from another tab.
    pub(crate) fn sign_in_again(&self, key: &str) -> HttpRequest {
        form("/console/sign-in", &[("key", key)]).header("cookie", &self.cookie)
    }

    pub(crate) async fn get(&self, path: &str) -> HttpAnswer {
        HttpRequest::get(path).header("cookie", &self.cookie).send(self.to).await
    }

    /// The form's request, with its token.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> HttpRequest {
        let token = [("token", self.token.as_str())];
        form(path, fields.iter().chain(&token)).header("cookie", &self.cookie)
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> HttpAnswer {
        self.form(path, fields).send(self.to).await
    }

    /// Uploads a list, and returns the path that it leads to.
    pub(crate) async fn upload(&self, filename: &str, list: &[u8]) -> String {
        let answer = self.upload_with(&self.token, filename, list).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    pub(crate) async fn upload_with(&self, token: &str, filename: &str, list: &[u8]) -> HttpAnswer {
        self.send_file("/console/lists", token, filename, list).await
    }

    /// Adds a suppression file to the list whose page is at `draft`.
    pub(crate) async fn exclude(
        &self,
        token: &str,
        draft: &str,
        filename: &str,
        file: &[u8],
    ) -> HttpAnswer {
        self.send_file(&format!("{draft}/exclude"), token, filename, file).await
    }

    async fn send_file(&self, path: &str, token: &str, filename: &str, list: &[u8]) -> HttpAnswer {
        let body = upload_form(token, filename, list);
        HttpRequest::new("POST", path)
            .header("cookie", &self.cookie)
            .header("content-type", "multipart/form-data; boundary=b")
            .octets(body)
            .send(self.to)
            .await
    }

    /// The octets of the form by which a list is uploaded, with the boundary `b`.
    pub(crate) fn upload_form(&self, filename: &str, list: &[u8]) -> Vec<u8> {
        upload_form(&self.token, filename, list)
    }

    /// Uploads a list and starts it; returns the path of its page.
    pub(crate) async fn start(&self, filename: &str, list: &[u8]) -> String {
        let found = self.upload(filename, list).await;
        let answer = self.post(&format!("{found}/start"), &[("send_to", "all")]).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    /// The report of a list, once it is there.
    pub(crate) async fn report(&self, path: &str) -> HttpAnswer {
        let there = async {
            loop {
                let page = self.get(path).await;
                assert_eq!(page.status, 200, "{page:?}");
                if page.body.contains("Pre-flight report") {
                    return page;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIME_LIMIT, there).await.expect("the list is verified")
    }
}

fn upload_form(token: &str, filename: &str, list: &[u8]) -> Vec<u8> {
    let head = format!(
        "--b\r\ncontent-disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n--b\r\n\
     content-disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\r\n"
    );
    [head.as_bytes(), list, b"\r\n--b--\r\n"].concat()
}

pub(crate) async fn sign_in(product: &Product, key: &str) -> HttpAnswer {
    form("/console/sign-in", &[("key", key)]).send(product.address).await
}

/// Signs in by the form of a page that leads to another one.
pub(crate) async fn sign_in_for(product: &Product, key: &str, next: &str) -> HttpAnswer {
    form("/console/sign-in", &[("key", key), ("next", next)]).send(product.address).await
}

fn form<'a>(path: &str, fields: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> HttpRequest {
    let mut body = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        body.append_pair(name, value);
    }
    HttpRequest::new("POST", path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.finish())
}

fn cookie(answer: &HttpAnswer) -> String {
    let cookie = answer.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// The token of the page's forms.
pub(crate) fn token(answer: &HttpAnswer) -> String {
    let (_, rest) = answer.body.split_once(r#"name="token" value=""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}
