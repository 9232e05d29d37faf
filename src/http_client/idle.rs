//! Connections without a request, kept for the next one to the same server. Pure.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::url::{HttpUrl, UrlHost};

/// Time for which a connection is kept without a request.
const IDLE: Duration = Duration::from_secs(10);

/// Connections kept to one server.
const MOST_OF_ORIGIN: usize = 8;

/// Connections kept in all.
const MOST: usize = 64;

/// The scheme, host and port that a connection is for (RFC 6454 section 4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct HttpOrigin {
    is_tls: bool,
    host: UrlHost,
    port: u16,
}

impl From<&HttpUrl> for HttpOrigin {
    fn from(url: &HttpUrl) -> Self {
        Self { is_tls: url.is_tls, host: url.host.clone(), port: url.port }
    }
}

/// Connections, those kept last at the end of each origin's.
pub(super) struct IdleConnections<C> {
    by_origin: HashMap<HttpOrigin, Vec<IdleConnection<C>>>,
}

struct IdleConnection<C> {
    connection: C,
    until: SystemTime,
}

impl<C> Default for IdleConnections<C> {
    fn default() -> Self {
        Self { by_origin: HashMap::new() }
    }
}

impl<C> IdleConnections<C> {
    /// Takes the connection to `origin` that was kept last.
    pub(super) fn take(&mut self, origin: &HttpOrigin, now: SystemTime) -> Option<C> {
        let of_origin = self.by_origin.get_mut(origin)?;
        let kept = of_origin.pop();
        if of_origin.is_empty() {
            self.by_origin.remove(origin);
        }
        kept.filter(|kept| now < kept.until).map(|kept| kept.connection)
    }

    /// Keeps a connection; there may be one too many, which is dropped: the oldest.
    pub(super) fn keep(&mut self, origin: HttpOrigin, connection: C, now: SystemTime) {
        let of_origin = self.by_origin.entry(origin).or_default();
        if of_origin.len() >= MOST_OF_ORIGIN {
            of_origin.remove(0);
        }
        of_origin.push(IdleConnection { connection, until: now + IDLE });
        if self.by_origin.values().map(Vec::len).sum::<usize>() > MOST {
            self.drop_oldest();
        }
    }

    /// Drops connections that were kept for long enough; returns when the next one will have been.
    pub(super) fn expire(&mut self, now: SystemTime) -> Option<SystemTime> {
        self.by_origin.retain(|_, of_origin| {
            of_origin.retain(|kept| now < kept.until);
            !of_origin.is_empty()
        });
        self.by_origin.values().flatten().map(|kept| kept.until).min()
    }

    fn drop_oldest(&mut self) {
        let oldest = self.by_origin.iter().min_by_key(|(_, kept)| kept.first().map(|k| k.until));
        let Some(origin) = oldest.map(|(origin, _)| origin.clone()) else { return };
        let Some(of_origin) = self.by_origin.get_mut(&origin) else { return };
        of_origin.remove(0);
        if of_origin.is_empty() {
            self.by_origin.remove(&origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> HttpOrigin {
        HttpOrigin::from(&HttpUrl::parse(url).unwrap())
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_connection_is_for_its_scheme_host_and_port_alone() {
        let mut idle = IdleConnections::default();
        idle.keep(origin("https://rdap.example/a"), 1, at(0));
        for other in ["http://rdap.example:443/a", "https://rdap.example:444/", "https://b.example"]
        {
            assert_eq!(idle.take(&origin(other), at(0)), None, "{other}");
        }
        assert_eq!(idle.take(&origin("https://RDAP.example:443/b"), at(0)), Some(1));
        assert_eq!(idle.take(&origin("https://rdap.example/a"), at(0)), None, "taken already");
    }

    #[test]
    fn the_connection_kept_last_is_taken_first_and_none_after_its_time() {
        let (mut idle, here) = (IdleConnections::default(), origin("https://a.example"));
        for (connection, second) in [(1, 0), (2, 3), (3, 4)] {
            idle.keep(here.clone(), connection, at(second));
        }
        assert_eq!(idle.take(&here, at(5)), Some(3));
        assert_eq!(idle.expire(at(5)), Some(at(10)));
        assert_eq!(idle.expire(at(10)), Some(at(13)));
        assert_eq!(idle.take(&here, at(13)), None);
        assert_eq!(idle.expire(at(13)), None);
    }

    #[test]
    fn connections_are_bounded_for_a_server_and_in_all() {
        let mut idle = IdleConnections::default();
        let servers: Vec<HttpOrigin> =
            (0..20).map(|n| origin(&format!("https://s{n}.example"))).collect();
        for (server, second) in servers.iter().zip((0..).map(Duration::from_millis)) {
            for connection in 0..20 {
                idle.keep(server.clone(), connection, SystemTime::UNIX_EPOCH + second);
            }
        }
        let mut count =
            |server| std::iter::from_fn(|| idle.take(server, at(5))).collect::<Vec<_>>();
        let last = count(&servers[19]);
        assert_eq!(last, (12..20).rev().collect::<Vec<_>>(), "the newest stay");
        let all: usize = servers.iter().map(|server| count(server).len()).sum();
        assert_eq!(all + last.len(), MOST);
    }
}
