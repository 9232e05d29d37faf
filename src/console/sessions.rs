//! Sessions: who is signed in, held in memory until they end, lapse or the process stops.
//!
//! A session's cookie holds 256 random bits, of which only the digest is kept. Forms carry another
//! 256 bits of the same session, without which nothing is changed (a synchronizer token).

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use parking_lot::Mutex;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;

/// Most sessions at a time; the one that was longest unused makes room.
const MOST: usize = 1000;

/// Longest pause between two requests of a session: a working day.
const IDLE: Duration = Duration::from_secs(8 * 60 * 60);

/// Longest time of a session.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The digest of a session's cookie, by which it is found.
pub(super) type SessionKey = [u8; 32];

/// The sessions of all browsers.
#[derive(Debug)]
pub(super) struct Sessions {
    is_secure: bool,
    open: Mutex<HashMap<SessionKey, SessionEntry>>,
}

#[derive(Debug)]
struct SessionEntry {
    session: ConsoleSession,
    begun: SystemTime,
    used: SystemTime,
}

/// A session, as far as a request needs it.
#[derive(Clone, Debug)]
pub(super) struct ConsoleSession {
    pub(super) key: SessionKey,
    /// The token of its forms.
    pub(super) token: String,
    /// The `authorization` of its calls; `None` for callers without a key.
    pub(super) authorization: Option<HeaderValue>,
}

impl ConsoleSession {
    /// Returns whether `token` is that of this session's forms.
    pub(super) fn is_token(&self, token: &str) -> bool {
        self.token.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

impl Sessions {
    /// No sessions yet; `is_secure` where the browser is to show the cookie over TLS alone.
    pub(super) fn new(is_secure: bool) -> Self {
        Self { is_secure, open: Mutex::default() }
    }

    /// Begins a session, and returns it with the header that sets its cookie; `None` without a
    /// source of random bits.
    pub(super) fn begin(
        &self,
        authorization: Option<HeaderValue>,
        now: SystemTime,
    ) -> Option<(ConsoleSession, HeaderValue)> {
        let (id, token) = (random()?, random()?);
        let session = ConsoleSession { key: key(&id), token, authorization };
        let mut open = self.open.lock();
        open.retain(|_, entry| !entry.is_over(now));
        while open.len() >= MOST {
            let oldest = open.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key);
            let Some(oldest) = oldest else { break };
            open.remove(&oldest);
        }
        open.insert(session.key, SessionEntry { session: session.clone(), begun: now, used: now });
        let secure = if self.is_secure { "; Secure" } else { "" };
        let cookie =
            format!("{}={id}; Path=/; HttpOnly; SameSite=Strict{secure}", self.cookie_name());
        Some((session, HeaderValue::from_str(&cookie).ok()?))
    }

    /// The session whose cookie these headers hold.
    pub(super) fn find(&self, headers: &HeaderMap, now: SystemTime) -> Option<ConsoleSession> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.cookie_name()).then_some(value)
        });
        let key = key(pairs.next()?);
        let mut open = self.open.lock();
        let entry = open.get_mut(&key)?;
        if entry.is_over(now) {
            open.remove(&key);
            return None;
        }
        entry.used = now;
        Some(entry.session.clone())
    }

    /// Returns whether a session has neither ended nor lapsed. Asking is no use of it.
    pub(super) fn is_open(&self, session: &ConsoleSession, now: SystemTime) -> bool {
        self.open.lock().get(&session.key).is_some_and(|entry| !entry.is_over(now))
    }

    pub(super) fn end(&self, session: &ConsoleSession) {
        self.open.lock().remove(&session.key);
    }

    /// The cookie's name. Over TLS no other host and no other path can have set it (RFC 6265bis
    /// section 4.1.3.2).
    fn cookie_name(&self) -> &'static str {
        if self.is_secure { "__Host-mailvet" } else { "mailvet" }
    }
}

impl SessionEntry {
    fn is_over(&self, now: SystemTime) -> bool {
        let since = |time: SystemTime| now.duration_since(time).unwrap_or_default();
        since(self.used) > IDLE || since(self.begun) > LONGEST
    }
}

fn key(id: &str) -> SessionKey {
    let mut key = SessionKey::default();
    key.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    key
}

/// 256 random bits, fit for a path and a form.
pub(super) fn random() -> Option<String> {
    let mut octets = [0; 32];
    SystemRandom::new().fill(&mut octets).ok()?;
    Some(URL_SAFE_NO_PAD.encode(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    fn headers(set_cookie: &HeaderValue) -> HeaderMap {
        let cookie = set_cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        HeaderMap::from_iter([(COOKIE, format!("a=b; {cookie}").parse().unwrap())])
    }

    #[test]
    fn a_session_is_found_by_its_cookie_until_it_ends_or_lapses() {
        let sessions = Sessions::new(false);
        let (session, cookie) = sessions.begin(None, START).unwrap();
        let headers = headers(&cookie);
        assert_eq!(sessions.find(&headers, START).unwrap().key, session.key);
        assert!(sessions.find(&HeaderMap::new(), START).is_none());
        let mut now = START;
        while now + IDLE <= START + LONGEST {
            now += IDLE;
            assert!(sessions.find(&headers, now).is_some(), "it is in use");
        }
        assert!(sessions.find(&headers, START + LONGEST + IDLE / 2).is_none());
        let (other, cookie) = sessions.begin(None, START).unwrap();
        sessions.end(&other);
        assert!(sessions.find(&self::headers(&cookie), START).is_none());
    }

    #[test]
    fn an_idle_session_lapses() {
        let sessions = Sessions::new(false);
        let (_, cookie) = sessions.begin(None, START).unwrap();
        assert!(sessions.find(&headers(&cookie), START + IDLE + IDLE / 8).is_none());
    }

    #[test]
    fn no_script_and_no_other_site_gets_the_cookie() {
        let cookie = |is_secure| {
            let (_, cookie) = Sessions::new(is_secure).begin(None, START).unwrap();
            cookie.to_str().unwrap().to_owned()
        };
        assert!(
            cookie(false).ends_with("; Path=/; HttpOnly; SameSite=Strict"),
            "{}",
            cookie(false)
        );
        let secure = cookie(true);
        assert!(secure.starts_with("__Host-mailvet="), "{secure}");
        assert!(secure.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{secure}");
    }

    #[test]
    fn a_token_belongs_to_one_session() {
        let sessions = Sessions::new(false);
        let (one, _) = sessions.begin(None, START).unwrap();
        let (other, _) = sessions.begin(None, START).unwrap();
        assert!(one.is_token(&one.token) && !one.is_token(&other.token) && !one.is_token(""));
    }

    #[test]
    fn the_number_of_sessions_is_bounded_and_the_longest_unused_makes_room() {
        let sessions = Sessions::new(false);
        let (_, first) = sessions.begin(None, START).unwrap();
        let (_, second) = sessions.begin(None, START).unwrap();
        let later = START + Duration::from_secs(1);
        assert!(sessions.find(&headers(&first), later).is_some());
        for _ in 2..=MOST {
            sessions.begin(None, later).unwrap();
        }
        assert_eq!(sessions.open.lock().len(), MOST);
        assert!(sessions.find(&headers(&first), later).is_some());
        assert!(sessions.find(&headers(&second), later).is_none());
    }
}
