//! A look at the TLS of an exchanger: one session that ends with `QUIT` before any `MAIL`.
//!
//! It goes the way of every session: the target check, the limits on sessions and connections, the
//! rest after a refusal. Where there is no room it is not made; it waits in no queue.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout_at};
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::Prober;
use super::destination_handle::DestinationHandle;
use super::question_router::{DestinationKey, Hold};
use super::session_task::{self, GRACE, LINGER, SessionGuard};
use crate::address::DomainName;
use crate::egress::Stream;
use crate::smtp::{Hints, Observation, RecipientAnswer, Session, Stage};

/// The TLS of an exchanger, as a sender meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsInspection {
    /// TLS began, with these certificates, the exchanger's own first.
    Begun(Vec<CertificateDer<'static>>),
    /// The exchanger does not offer STARTTLS.
    NotOffered,
    /// It offers STARTTLS, and TLS did not begin: the cause in words.
    Failed(String),
    /// There was no session: the cause in words. It says nothing about TLS.
    NotReached(String),
}

impl Prober {
    /// Looks at the TLS of `exchanger` as a sender of mail to `domain` does, until `deadline`.
    pub async fn inspect_tls(
        &self,
        exchanger: &DomainName,
        domain: &DomainName,
        deadline: SystemTime,
    ) -> TlsInspection {
        let identity = self.identity(exchanger, domain.as_str(), &[]);
        // Who holds the exchanger's destination may take long to find out.
        let holding =
            timeout_at(self.context.clock.instant(deadline), self.hold(exchanger, identity));
        let hold = match holding.await {
            Ok(Ok(hold)) => hold,
            Ok(Err(why)) => return TlsInspection::NotReached(why.to_owned()),
            Err(_) => return TlsInspection::NotReached("no answer in time".to_owned()),
        };
        let handle = self.destination(exchanger, identity);
        let begin = |core: &mut super::destination::Destination<_>, memory: &mut _, now| {
            core.begin_inspection(exchanger, domain, memory, now)
        };
        let id = match handle.step_with_memory(begin) {
            Ok(id) => id,
            Err(refusal) => return TlsInspection::NotReached(refusal.to_string()),
        };
        let (sender, receiver) = oneshot::channel();
        let guard = SessionGuard { handle, id };
        let inspecting = inspect(guard, exchanger.clone(), sender);
        self.context.tasks.spawn(async move {
            inspecting.await;
            drop(hold);
        });
        match timeout_at(self.context.clock.instant(deadline), receiver).await {
            Ok(Ok(inspection)) => inspection,
            Ok(Err(_)) | Err(_) => TlsInspection::NotReached("no answer in time".to_owned()),
        }
    }
}

impl Prober {
    /// Permission to open a session here; none is needed where every process asks for itself.
    async fn hold(
        &self,
        exchanger: &DomainName,
        identity: usize,
    ) -> Result<Option<Box<dyn Hold>>, &'static str> {
        if !self.context.is_shared() {
            return Ok(None);
        }
        let destination = exchanger.registrable();
        let key = DestinationKey { identity: Arc::clone(&self.egress[identity].name), destination };
        let hold = match self.context.router() {
            Some(router) => router.hold(&key).await,
            None => None,
        };
        hold.map(Some).ok_or("another replica asks the exchanger, and this one may not")
    }
}

/// Carries the session from its opening to its end. Its caller may go away at any time.
async fn inspect(
    guard: SessionGuard,
    exchanger: DomainName,
    mut sender: oneshot::Sender<TlsInspection>,
) {
    let handle = &guard.handle;
    let known = session_task::hints(handle, &exchanger);
    // `HELO` offers no TLS, and whether `EHLO` is answered by now is worth a look.
    let hints = Hints { needs_starttls: true, says_helo: false, ..known };
    let connecting = handle.egress.connect(&handle.context, &exchanger, hints);
    let connected = tokio::select! {
        connected = connecting => connected,
        () = sender.closed() => return sleep(GRACE).await,
    };
    let mut session = match connected {
        Ok(session) => session,
        Err(why) => {
            let cause = words(&why.answer);
            retreat(handle, &exchanger, why);
            return drop(sender.send(TlsInspection::NotReached(cause)));
        }
    };
    let greeted = tokio::select! {
        () = session.greet() => true,
        () = sender.closed() => false,
    };
    if greeted {
        let inspection = read(&session);
        let hung_up = |why: &RecipientAnswer| known.says_helo && stage(why) == Stage::Ehlo;
        // That it hangs up on `EHLO` is no news: other sessions say `HELO`.
        let news = session.ended().filter(|why| !hung_up(why)).cloned();
        if let (TlsInspection::NotReached(_), Some(why)) = (&inspection, news) {
            let address = Some(session.peer().address);
            let why = Observation::new(why, address, handle.context.clock.now());
            retreat(handle, &exchanger, why);
        }
        // The caller may have gone in this moment.
        let _ = sender.send(inspection);
    }
    session.quit(LINGER).await;
    sleep(GRACE).await;
}

/// The exchanger did not let us in: what every other session would learn from that is learned.
fn retreat(handle: &Arc<DestinationHandle>, exchanger: &DomainName, why: Observation) {
    handle.step_with_memory(|core, memory, now| core.obstructed(exchanger, why, memory, now));
}

/// Reads a session that has greeted, or has ended on the way.
fn read(session: &Session<Box<dyn Stream>>) -> TlsInspection {
    let facts = session.facts();
    if facts.tls.is_some() {
        return TlsInspection::Begun(session.certificates().to_vec());
    }
    let ended_before_tls = session.ended().filter(|answer| stage(answer) != Stage::StartTls);
    if let Some(answer) = ended_before_tls {
        return TlsInspection::NotReached(words(answer));
    }
    if !facts.capabilities.starttls {
        return TlsInspection::NotOffered;
    }
    TlsInspection::Failed(session.ended().map_or("STARTTLS was refused".to_owned(), words))
}

fn stage(answer: &RecipientAnswer) -> Stage {
    match answer {
        RecipientAnswer::Replied { stage, .. } | RecipientAnswer::NoReply { stage, .. } => *stage,
    }
}

/// An answer in words: the reply, or why there is none.
fn words(answer: &RecipientAnswer) -> String {
    match answer {
        RecipientAnswer::Replied { reply, .. } => match reply.enhanced {
            Some(status) => format!("{} {status} {}", reply.code, reply.text()),
            None => format!("{} {}", reply.code, reply.text()),
        },
        RecipientAnswer::NoReply { reason, .. } => reason.to_string(),
    }
}
