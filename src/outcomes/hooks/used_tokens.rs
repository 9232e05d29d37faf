//! Tokens that came before, each with the body it came with. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;
use ring::digest::{SHA256, digest};

use super::refusal::HookRefusal;
use super::time_window::TimeWindow;

/// Most tokens that are remembered; then the oldest are forgotten.
const MOST: usize = 100_000;

/// A SHA-256.
type Sha256 = [u8; 32];

/// Tokens that several hooks share. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedTokens(Arc<Mutex<UsedTokens>>);

impl SharedTokens {
    /// As [`UsedTokens::admit`].
    pub(super) fn admit(
        &self,
        token: &str,
        body: &[u8],
        window: TimeWindow,
    ) -> Result<(), HookRefusal> {
        self.0.lock().admit(token, body, window)
    }
}

/// The tokens of signatures that still count by their time.
#[derive(Debug, Default)]
pub(super) struct UsedTokens {
    bodies: HashMap<Sha256, Sha256>,
    oldest_first: VecDeque<(SystemTime, Sha256)>,
}

impl UsedTokens {
    /// Takes a token that came with `body`. The same two again are one delivery, repeated.
    pub(super) fn admit(
        &mut self,
        token: &str,
        body: &[u8],
        window: TimeWindow,
    ) -> Result<(), HookRefusal> {
        let TimeWindow { now, tolerance } = window;
        // A signature may be of a time ahead of now.
        let lasts = tolerance.saturating_mul(2);
        while let Some((taken_at, oldest)) = self.oldest_first.front()
            && (self.oldest_first.len() >= MOST
                || now.duration_since(*taken_at).is_ok_and(|age| age > lasts))
        {
            self.bodies.remove(oldest);
            self.oldest_first.pop_front();
        }
        let (token, body) = (sha256(token.as_bytes()), sha256(body));
        match self.bodies.get(&token) {
            Some(known) if *known == body => Ok(()),
            Some(_) => Err(HookRefusal::UsedToken),
            None => {
                self.bodies.insert(token, body);
                self.oldest_first.push_back((now, token));
                Ok(())
            }
        }
    }
}

fn sha256(octets: &[u8]) -> Sha256 {
    let mut hash = Sha256::default();
    hash.copy_from_slice(digest(&SHA256, octets).as_ref());
    hash
}
