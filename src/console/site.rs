//! The site: which page answers a request, for whom.

use http::header::{ALLOW, AUTHORIZATION, HeaderName, HeaderValue, SET_COOKIE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tonic::body::Body;
use tonic::{Code, Status};

use super::pages::{PageFrame, ReloadPage, SignInPage};
use super::parts::{PREFIX, SiteParts};
use super::sessions::ConsoleSession;
use super::visit::{Answered, Visit, explained, trouble};
use super::{address, answer, batches, lists, live, outcomes};
use crate::campaign::BatchId;
use crate::http::{CallOrigin, OwnServices, RequestForm};
use crate::report;

/// The console's own style, behind that of the report.
const STYLE: &str = include_str!("pages/console.css");

/// Dropping a file, and live progress.
const MODULE: &str = include_str!("pages/page.js");

const ICON: &str = include_str!("pages/icon.svg");

/// The console.
pub(super) struct Site(SiteParts);

impl Site {
    pub(super) fn new(parts: SiteParts) -> Self {
        Self(parts)
    }

    pub(super) async fn answer(
        &self,
        request: Request<Body>,
        services: OwnServices,
    ) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        if parts.method == Method::HEAD {
            parts.method = Method::GET;
        }
        if let Err(sentence) = self.0.guard.check(&parts) {
            return trouble(PageFrame::default(), &Status::permission_denied(sentence));
        }
        if let Some(file) = file(&parts) {
            return file;
        }
        keep_keys_alone(&mut parts.headers);
        let session = self.0.sessions.find(&parts.headers, self.0.clock.now());
        if parts.method == Method::POST && parts.uri.path() == "/console/sign-in" {
            // In another tab, somebody may be signed in already: this form has no token of theirs.
            return self.sign_in(&parts, session, body, services).await;
        }
        match session {
            Some(session) => self.visit(Visit::new(parts, session, services), body).await,
            None => self.enter(parts, body, services).await,
        }
    }

    /// Answers a browser that shows no session.
    async fn enter(&self, parts: Parts, body: Body, services: OwnServices) -> Response<Body> {
        let is_get = parts.method == Method::GET;
        if is_get && is_from_elsewhere(&parts.headers) {
            // A browser that comes by a link elsewhere keeps the cookie back (SameSite=Strict), and
            // shows it when the page asks for itself.
            return answer::page(StatusCode::OK, &ReloadPage {});
        }
        // Let go at once: the page makes calls of its own.
        match services.admit(CallOrigin::from_parts(&parts)).await.map(drop) {
            Ok(()) if is_get => {
                let Some((session, cookie)) = self.0.sessions.begin(None, self.0.clock.now())
                else {
                    let status = Status::internal("there are no random numbers");
                    return trouble(PageFrame::default(), &status);
                };
                let answer = self.visit(Visit::new(parts, session, services), body).await;
                with_cookie(answer, cookie)
            }
            Ok(()) => {
                let sentence = "your session is over, so nothing was changed; load the page anew \
                                and send it again";
                trouble(PageFrame::default(), &Status::permission_denied(sentence))
            }
            Err(status) if status.code() == Code::Unauthenticated => {
                let sentence = if is_get {
                    ""
                } else {
                    "Your session is over, so nothing was changed: sign in, and send it again."
                };
                sign_in_page(sentence, page_to_return_to(&parts))
            }
            Err(status) => trouble(PageFrame::default(), &status),
        }
    }

    /// Begins a session for a key that the gate lets in, and ends the one there was.
    async fn sign_in(
        &self,
        parts: &Parts,
        before: Option<ConsoleSession>,
        body: Body,
        services: OwnServices,
    ) -> Response<Body> {
        let form = match RequestForm::read(&self.0.bodies, body).await {
            Ok(form) => form,
            Err(status) => return trouble(PageFrame::default(), &status),
        };
        let next = own_page(form.value("next"));
        let value = HeaderValue::from_str(&format!("Bearer {}", form.value("key").trim()));
        let Ok(mut value) = value else {
            return sign_in_page("That is no API key.", next.to_owned());
        };
        value.set_sensitive(true);
        let origin = CallOrigin::from_parts(parts);
        if let Err(status) = services.admit(origin.with_authorization(value.clone())).await {
            return match status.code() {
                Code::Unauthenticated => {
                    let sentence = "The service does not know this key, or it has expired.";
                    sign_in_page(sentence, next.to_owned())
                }
                _ => trouble(PageFrame::default(), &status),
            };
        }
        let page = answer::see_other(next);
        match (self.0.sessions.begin(Some(value), self.0.clock.now()), page) {
            (Some((_, cookie)), Ok(page)) => {
                if let Some(before) = before {
                    self.end(&before);
                }
                with_cookie(page, cookie)
            }
            _ => {
                let status = Status::internal("there are no random numbers");
                trouble(PageFrame::default(), &status)
            }
        }
    }

    /// Answers a browser with a session.
    async fn visit(&self, visit: Visit, body: Body) -> Response<Body> {
        match self.route(&visit, body).await {
            Ok(answer) => answer,
            Err(status) if status.code() == Code::Unauthenticated => {
                // The key was withdrawn meanwhile.
                self.end(&visit.session);
                let sentence = "Your session is over: the service does not know its key any more.";
                sign_in_page(sentence, page_to_return_to(&visit.parts))
            }
            Err(status) => visit.trouble(&status),
        }
    }

    async fn route(&self, visit: &Visit, body: Body) -> Answered {
        let path = visit.path();
        if let ["batches", id, ..] = path[..]
            && BatchId::parse(id).is_none()
        {
            return Err(Status::not_found("no list has this address: look in your lists"));
        }
        if visit.parts.method == Method::GET {
            if let Some(page) = page_of_form(&path) {
                // Its address stays in the browser when a form was refused.
                return answer::see_other(&page);
            }
            return match path[..] {
                [""] => batches::home(&self.0, visit).await,
                ["outcomes"] => outcomes::show(visit).await,
                ["lists", id] => lists::show(&self.0, visit, id).await,
                ["batches", id] => batches::show(&self.0, visit, id).await,
                ["batches", id, "live"] => live::watch(&self.0, visit, id).await,
                ["batches", id, part] => batches::download(&self.0, visit, id, part).await,
                _ => Err(Status::not_found("no page has this address")),
            };
        }
        if visit.parts.method != Method::POST {
            return Ok(refuse_method(visit.frame()));
        }
        if path[..] == ["lists"] {
            // Its token comes in the form, before the file.
            return lists::receive(&self.0, visit, body).await;
        }
        if let ["lists", id, "exclude"] = path[..] {
            return lists::exclude(&self.0, visit, id, body).await;
        }
        let form = RequestForm::read(&self.0.bodies, body).await?;
        visit.check_token(&form)?;
        match path[..] {
            ["verify"] => address::verify(visit, &form).await,
            ["lists", id, "column"] => lists::choose_column(&self.0, visit, id, &form).await,
            ["lists", id, "include"] => lists::include(&self.0, visit, id).await,
            ["lists", id, "start"] => lists::start(&self.0, visit, id, &form).await,
            ["lists", id, "discard"] => lists::discard(&self.0, visit, id).await,
            ["batches", id, "cancel"] => batches::cancel(visit, id).await,
            ["batches", id, "delete"] => batches::delete(visit, id).await,
            ["sign-out"] => self.sign_out(&visit.session),
            _ => Err(Status::not_found("no form has this address")),
        }
    }

    fn sign_out(&self, session: &ConsoleSession) -> Answered {
        self.end(session);
        answer::see_other(PREFIX)
    }

    /// Ends a session, with the lists that wait in it.
    fn end(&self, session: &ConsoleSession) {
        self.0.sessions.end(session);
        self.0.drafts.end(&session.key);
    }
}

/// What every browser may have: the files of the pages, and the way to the first of them.
fn file(parts: &Parts) -> Option<Response<Body>> {
    let file = |content_type, text: String| {
        Some(answer::with_body(StatusCode::OK, content_type, text.into()))
    };
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/" | "/console") => answer::see_other(PREFIX).ok(),
        (&Method::GET, "/console/style.css") => {
            file("text/css; charset=utf-8", [report::STYLE, STYLE].concat())
        }
        (&Method::GET, "/console/page.js") => {
            file("text/javascript; charset=utf-8", MODULE.to_owned())
        }
        (&Method::GET, "/console/icon.svg") => file("image/svg+xml", ICON.to_owned()),
        _ => None,
    }
}

/// The page with the form that is sent to this path behind [`PREFIX`].
fn page_of_form(path: &[&str]) -> Option<String> {
    match *path {
        ["verify" | "lists" | "sign-in" | "sign-out"] => Some(PREFIX.to_owned()),
        ["lists", id, "column" | "exclude" | "include" | "start" | "discard"] => {
            Some(format!("{PREFIX}lists/{id}"))
        }
        ["batches", id, "cancel" | "delete"] => Some(format!("{PREFIX}batches/{id}")),
        _ => None,
    }
}

/// The page that a browser comes to once it has signed in: the one that it asked for, or that of
/// the form that it sent, or of the list whose rows or progress it wanted.
fn page_to_return_to(parts: &Parts) -> String {
    let path = parts.uri.path();
    let segments: Vec<&str> = path.strip_prefix(PREFIX).unwrap_or_default().split('/').collect();
    match segments[..] {
        // In place of a page with a form that was sent, a file would leave that form where it is.
        ["batches", id, _] => format!("{PREFIX}batches/{id}"),
        _ => page_of_form(&segments).unwrap_or_else(|| {
            parts.uri.path_and_query().map_or(PREFIX, PathAndQuery::as_str).to_owned()
        }),
    }
}

/// The page of the console that a form names, or the first one: a form leads to no other place.
fn own_page(next: &str) -> &str {
    let is_path = PathAndQuery::try_from(next).is_ok() && HeaderValue::from_str(next).is_ok();
    if is_path && next.starts_with(PREFIX) { next } else { PREFIX }
}

/// Refuses a method that neither a link nor a form has (RFC 9110 section 15.5.6).
fn refuse_method(frame: PageFrame) -> Response<Body> {
    let sentence = "pages are read with GET, and forms sent with POST";
    let code = StatusCode::METHOD_NOT_ALLOWED;
    let mut answer = explained(frame, "That did not work", sentence, code);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    answer
}

/// Returns whether the browser says that a page of another site sent it here (Fetch metadata).
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    site.is_some_and(|site| site == "cross-site" || site == "same-site")
}

/// Keeps the `authorization` that is a key of ours (RFC 6750 section 2.1) and no other. A browser
/// shows what a proxy in front asked it for, such as a password (RFC 7617), with every request.
fn keep_keys_alone(headers: &mut HeaderMap) {
    let is_key = |value: &HeaderValue| {
        let scheme = value.as_bytes().split(|octet| *octet == b' ').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer")
    };
    let keys: Vec<HeaderValue> =
        headers.get_all(AUTHORIZATION).iter().filter(|value| is_key(value)).cloned().collect();
    headers.remove(AUTHORIZATION);
    for key in keys {
        headers.append(AUTHORIZATION, key);
    }
}

/// Asks for a key, and leads to the page `next` once there is one.
fn sign_in_page(trouble: &'static str, next: String) -> Response<Body> {
    let page = SignInPage { frame: PageFrame::default(), trouble, next };
    answer::page(StatusCode::UNAUTHORIZED, &page)
}

fn with_cookie(mut answer: Response<Body>, cookie: HeaderValue) -> Response<Body> {
    answer.headers_mut().insert(SET_COOKIE, cookie);
    answer
}
