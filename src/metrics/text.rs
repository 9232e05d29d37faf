//! The names of what was counted, and the text that Prometheus reads (OpenMetrics 1.0).

use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};

use super::gather::Snapshot;
use crate::instruments::{HistogramSnapshot, LATENCY_BUCKETS};
use crate::verdict::Reason;

/// Media type of the text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The snapshot as text.
pub(super) fn render(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut page = MetricsPage(encoder);
        self.verifications(&mut page)?;
        self.caches(&mut page)?;
        self.dns(&mut page)?;
        self.registries(&mut page)?;
        self.hooks(&mut page)?;
        self.smtp(&mut page)?;
        self.lanes(&mut page)?;
        self.batches(&mut page)?;
        self.calls(&mut page)?;
        self.process(&mut page)
    }
}

impl Snapshot {
    fn verifications(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        let verdict = |name: &str| {
            let reason = Reason::ALL.iter().find(|reason| reason.name() == name);
            reason.map_or("unknown", |reason| reason.verdict().name())
        };
        let reasons = self.verifier.reasons.iter();
        let by_reason = reasons
            .map(|(reason, count)| ([("verdict", verdict(reason)), ("reason", *reason)], *count));
        page.counters(
            "mailvet_verifications",
            "Addresses verified, by the reason that decided; those of batches included",
            by_reason,
        )?;
        page.times(
            "mailvet_verification_duration",
            "How long a verification took, from its beginning to its verdict",
            [([("", ""); 0], &self.verifier.elapsed)],
        )?;
        let stages = [
            ("dns", &self.verifier.dns),
            ("probe", &self.verifier.probe),
            ("connect", &self.said.connect),
            ("greet", &self.said.greet),
            ("flight", &self.said.flight),
        ];
        page.times(
            "mailvet_stage_duration",
            "How long a stage took: dns (how the domain receives mail, remembered or not), probe \
             (all that exchangers were asked for one address, waiting included), and of sessions \
             connect, greet (banner, EHLO, TLS) and flight (MAIL and RCPT of a few transactions)",
            stages.map(|(stage, times)| ([("stage", stage)], times)),
        )
    }

    fn caches(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        let of = |cache, stats: &crate::cache::Stats| {
            [
                ("hit", stats.hits),
                ("miss", stats.misses),
                ("stale", stats.stale),
                ("failure", stats.failures),
            ]
            .map(|(result, count)| ([("cache", cache), ("result", result)], count))
        };
        let mailboxes = [("hit", self.verifier.remembered), ("miss", self.verifier.not_remembered)]
            .map(|(result, count)| ([("cache", "mailboxes"), ("result", result)], count));
        let all = of("domains", &self.domains).into_iter().chain(of("hosts", &self.hosts));
        page.counters(
            "mailvet_cache_requests",
            "Questions to what is remembered; stale is what served past its end as DNS failed",
            all.chain(mailboxes),
        )?;
        let refreshes = [("domains", self.domains.refreshes), ("hosts", self.hosts.refreshes)];
        page.counters(
            "mailvet_cache_refreshes",
            "Look-ups ahead of an answer's end, for which nobody waited",
            refreshes.map(|(cache, count)| ([("cache", cache)], count)),
        )
    }

    fn dns(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        page.counters(
            "mailvet_dns_questions",
            "Questions to name servers, by how they ended",
            self.dns.outcomes.iter().map(|(outcome, count)| ([("outcome", *outcome)], *count)),
        )?;
        page.times(
            "mailvet_dns_question_duration",
            "How long a question took, over all name servers asked",
            [([("", ""); 0], &self.dns.elapsed)],
        )
    }

    fn registries(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        let requests = self.registry_requests.iter();
        page.counters(
            "mailvet_registry_requests",
            "Domains that registries were asked about (RDAP), by the kind of the answer",
            requests.map(|(answer, count)| ([("answer", *answer)], *count)),
        )
    }

    fn hooks(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        let posts = self.hooks.iter().flat_map(|hook| {
            let name = hook.name.as_str();
            hook.posts.iter().map(move |(fate, n)| ([("hook", name), ("fate", *fate)], *n))
        });
        page.counters(
            "mailvet_outcome_hook_posts",
            "Posts of mail services to hooks, by what became of them; refused: not the service's own",
            posts,
        )?;
        let events = self.hooks.iter().flat_map(|hook| {
            let name = hook.name.as_str();
            hook.events.iter().map(move |(fate, n)| ([("hook", name), ("fate", *fate)], *n))
        });
        page.counters(
            "mailvet_outcome_hook_events",
            "Events that mail services posted to hooks, by what became of them",
            events,
        )
    }

    fn smtp(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        let (said, lanes) = (&self.said, &self.lanes);
        page.counters(
            "mailvet_smtp_replies",
            "Recipients by what the reply meant that answered for them",
            said.replies.iter().map(|(meaning, count)| ([("meaning", *meaning)], *count)),
        )?;
        page.counters(
            "mailvet_smtp_failures",
            "Recipients for whom there was no reply, by why",
            said.failures.iter().map(|(kind, count)| ([("kind", *kind)], *count)),
        )?;
        let connections = [("opened", lanes.connections), ("failed", lanes.connections_failed)];
        page.counters(
            "mailvet_smtp_connections",
            "Connections to exchangers",
            connections.map(|(result, count)| ([("result", result)], count)),
        )?;
        page.counters(
            "mailvet_smtp_commands",
            "Commands sent; rcpt includes made-up recipients",
            [("mail", lanes.mail), ("rcpt", lanes.rcpt)]
                .map(|(command, count)| ([("command", command)], count)),
        )?;
        page.counter("mailvet_smtp_flights", "Writes, each followed by waiting", lanes.flights)?;
        page.counter(
            "mailvet_smtp_unknown_users",
            "Recipients refused as unknown, made-up ones included",
            lanes.unknown_users,
        )
    }

    fn lanes(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        let lanes = &self.lanes;
        let all = [
            ("mailvet_lane_destinations", "Destinations in use or lately used", lanes.destinations),
            ("mailvet_lane_sessions", "Sessions opening, open or closing", lanes.sessions),
            ("mailvet_lane_waiting", "Recipients somebody waits for", lanes.waiting),
            (
                "mailvet_lane_resting_exchangers",
                "Exchangers left alone for a while: they refused us, or were not reached",
                lanes.exchangers_resting,
            ),
        ];
        all.into_iter()
            .try_for_each(|(name, help, value)| page.gauge(name, help, None, &whole(value)))
    }

    fn batches(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        let Some(batches) = self.batches else { return Ok(()) };
        let running = whole(batches.running);
        page.gauge("mailvet_batches_running", "Batches being worked on", None, &running)?;
        let states = [("open", batches.open_rows), ("waiting", batches.waiting_rows)];
        page.gauges(
            "mailvet_batch_rows",
            "Rows of running batches: open, those without a result; waiting, those of the open ones \
             that will be asked again",
            states.map(|(state, rows)| ([("state", state)], whole(rows))),
        )?;
        page.counter(
            "mailvet_batch_results",
            "Different addresses of batches that got their result",
            batches.results,
        )?;
        page.gauge(
            "mailvet_callbacks_pending",
            "Callbacks that no receiver has taken yet",
            None,
            &whole(batches.pending_callbacks),
        )?;
        page.gauge(
            "mailvet_callbacks_oldest_age",
            "Age of the oldest event that no receiver has taken yet; 0 if there is none",
            Some(&Unit::Seconds),
            &batches.oldest_callback.as_secs_f64(),
        )
    }

    fn calls(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        let counts = self.calls.iter().flat_map(|method| {
            // Most of the codes never come.
            let seen = method.codes.iter().filter(|(code, count)| *code == "ok" || *count > 0);
            seen.map(|(code, count)| ([("method", &*method.name), ("code", *code)], *count))
        });
        page.counters("mailvet_grpc_calls", "Calls answered, by method and code", counts)?;
        let by_caller = self.calls_by_caller.iter();
        page.counters(
            "mailvet_grpc_caller_calls",
            "Calls by caller (the name of its key or certificate) and method",
            by_caller.map(|(caller, method, calls)| {
                ([("caller", &**caller), ("method", method.as_str())], *calls)
            }),
        )?;
        page.times(
            "mailvet_grpc_call_duration",
            "How long calls took; streams, until their end",
            self.calls.iter().map(|method| ([("method", &*method.name)], &method.elapsed)),
        )?;
        page.gauge(
            "mailvet_grpc_calls_in_flight",
            "Calls being answered",
            None,
            &whole(self.calls_in_flight),
        )
    }

    fn process(&self, page: &mut MetricsPage<'_>) -> fmt::Result {
        let ready = i64::from(self.state.is_ready());
        page.gauge("mailvet_ready", "Whether the service can do its work", None, &ready)?;
        let version = ([("version", env!("CARGO_PKG_VERSION"))], 1);
        page.gauges("mailvet_build_info", "Always 1; the label says what runs", [version])?;
        let started = self.started_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        let started = started.as_secs_f64();
        page.gauge(
            "process_start_time",
            "When the process began, in Unix time",
            seconds,
            &started,
        )?;
        if let Some(cpu) = self.process.cpu {
            let mut metric = page.0.encode_descriptor(
                "process_cpu",
                "Processor time",
                seconds,
                MetricType::Counter,
            )?;
            metric.encode_counter::<NoLabelSet, _, f64>(&cpu, None)?;
        }
        if let Some(resident) = self.process.resident {
            let resident = whole(resident);
            page.gauge("process_resident_memory", "Memory in use", bytes, &resident)?;
        }
        if let Some(open) = self.process.descriptors {
            page.gauge("process_open_fds", "Open file descriptors", None, &whole(open))?;
        }
        if let Some(most) = self.process.most_descriptors {
            page.gauge("process_max_fds", "Most open file descriptors", None, &whole(most))?;
        }
        Ok(())
    }
}

/// The page that is being written.
struct MetricsPage<'a>(DescriptorEncoder<'a>);

/// Labels: names and values.
type Labels<'a, const N: usize> = [(&'a str, &'a str); N];

impl MetricsPage<'_> {
    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, f64>(&count, None)
    }

    fn counters<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl IntoIterator<Item = (Labels<'a, N>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in counts {
            let mut metric = family.encode_family(&labels)?;
            metric.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }

    fn gauge(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: &impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(value)
    }

    fn gauges<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'a, N>, i64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn times<'a, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        all: impl IntoIterator<Item = (Labels<'a, N>, &'a HistogramSnapshot)>,
    ) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for (labels, times) in all {
            let bounds = LATENCY_BUCKETS.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(times.counts).collect();
            let none: Option<&std::collections::HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;
            // An empty set of labels would be written as one.
            if labels.is_empty() {
                family.encode_histogram(times.sum, times.count(), &buckets, none)?;
            } else {
                let mut metric = family.encode_family(&labels)?;
                metric.encode_histogram(times.sum, times.count(), &buckets, none)?;
            }
        }
        Ok(())
    }
}

/// A count as gauges are written.
fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
