//! The workloads: which addresses, on which domains, behind which exchangers.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use mailvet::config::Config;
use mailvet::sandbox::World;

/// The time from a flight of commands to its replies: a distant server's, or a near one's that
/// looks things up first.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(100);

/// Domains and exchangers of one kind. Each exchanger is a destination of its own.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// In their names: `d0.{name}-bench.org`, served by `mx.{name}0-bench.org`. An existing
    /// top-level domain, as in a real list: typing mistakes are looked for in the others.
    name: &'static str,
    domains: u32,
    hosts: u32,
    addresses: u32,
    /// TOML of the exchangers' behaviour.
    exchanger: &'static str,
}

/// One workload.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) groups: Vec<Group>,
    /// One of so many addresses is an unknown user's; 0: none.
    unknown_one_in: u32,
    /// What the verifier is told beside its defaults.
    config: &'static str,
    pub(crate) beside_peers: bool,
}

const FRIENDLY: &str = r#"recipients = { "user*" = "accept" }"#;

/// A greylist that names no time in its reply.
const GREYLISTING: &str = r#"recipients = { "user*" = "accept" }
        greylist.delay = "20s""#;
/// Hangs up on whoever names more than [`LIMIT`] recipients in a session.
const LIMITED: &str = r#"recipients = { "user*" = "accept" }
        limits.recipients_per_session = 40"#;
/// The limit of [`LIMITED`].
const LIMIT: usize = 40;

/// The time after which [`GREYLISTING`] lets a recipient pass.
const GREYLISTED_FOR: Duration = Duration::from_secs(20);

/// All workloads.
pub(crate) fn all() -> Vec<Workload> {
    let even = |domains, hosts, addresses, exchanger| {
        vec![Group { name: "list", domains, hosts, addresses, exchanger }]
    };
    let workload = |name, what, groups| Workload {
        name,
        what,
        groups,
        unknown_one_in: 0,
        config: "",
        beside_peers: true,
    };
    let parallel = r#"recipients = { "user*" = "accept" }
        limits.parallel = 10"#;
    let rate = r#"recipients = { "user*" = "accept" }
        limits.connections = 20"#;
    let plain = r#"recipients = { "user*" = "accept" }
        pipelining = false"#;
    vec![
        workload("A", "200 domains, 5 exchangers", even(200, 5, 10_000, FRIENDLY)),
        workload("B", "10,000 domains, 500 exchangers", even(10_000, 500, 10_000, FRIENDLY)),
        Workload {
            unknown_one_in: 12,
            ..workload(
                "C",
                "45 % on 3 providers, a tail, 8 % unknown, 2 % catch-all, 1 % dead",
                mix(),
            )
        },
        Workload {
            config: "[prober.pacing]\nsessions_per_exchanger = 10\nsessions_per_destination = 10",
            ..workload(
                "D1",
                "exchangers that allow 10 connections at a time",
                even(200, 5, 10_000, parallel),
            )
        },
        Workload {
            config: "[prober.pacing]\nconnections_per_minute = 20",
            ..workload(
                "D2",
                "exchangers that allow 20 connections a minute",
                even(200, 5, 10_000, rate),
            )
        },
        workload(
            "E",
            "no pipelining; a quarter of A's size, a round trip for each recipient",
            even(50, 5, 2_500, plain),
        ),
        Workload {
            unknown_one_in: 12,
            config: "[prober.pacing]\ngreylist_wait = \"22s\"",
            beside_peers: false,
            ..workload(
                "F",
                "as C; 5 % greylisted, 2 % in tarpits, a provider that takes 40 recipients a session",
                awkward(),
            )
        },
    ]
}

fn awkward() -> Vec<Group> {
    let tarpit = r#"recipients = { "user*" = "accept" }
        accept_delay = "1s"
        refusal_delay = "2s""#;
    let mut groups = mix();
    for group in &mut groups {
        match group.name {
            "large" => (group.domains, group.hosts, group.addresses) = (2, 2, 3_000),
            "tail" => group.addresses = 4_500,
            _ => {}
        }
    }
    groups.extend([
        group("limited", 1, 1, 1_500, LIMITED),
        group("grey", 250, 25, 500, GREYLISTING),
        group("tarpit", 100, 40, 200, tarpit),
    ]);
    groups
}

fn group(
    name: &'static str,
    domains: u32,
    hosts: u32,
    addresses: u32,
    exchanger: &'static str,
) -> Group {
    Group { name, domains, hosts, addresses, exchanger }
}

fn mix() -> Vec<Group> {
    vec![
        group("large", 3, 3, 4_500, FRIENDLY),
        group("tail", 2_600, 200, 5_200, FRIENDLY),
        group("all", 100, 10, 200, r#"others = "accept""#),
        group("dead", 50, 10, 100, "listens = false"),
    ]
}

/// The workload of this name.
pub(crate) fn named(name: &str) -> anyhow::Result<Workload> {
    all().into_iter().find(|w| w.name == name).with_context(|| format!("no workload {name}"))
}

/// One address, and what is behind it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) address: String,
    pub(crate) domain: String,
    pub(crate) exchanger: String,
    /// The time after which it must be asked once more; zero: it is answered at once.
    pub(crate) asked_again_after: Duration,
    /// Recipients that a session with its exchanger may name.
    pub(crate) session_limit: usize,
    /// Whether an honest verifier can tell anything about it.
    pub(crate) reachable: bool,
}

impl Workload {
    /// The addresses, domains mixed as in a list by name.
    pub(crate) fn list(&self) -> Vec<Entry> {
        let mut list = Vec::new();
        for group in &self.groups {
            for n in 0..group.addresses {
                let domain = n % group.domains;
                let unknown = self.unknown_one_in > 0 && n % self.unknown_one_in == 1;
                let local = if unknown { "gone" } else { "user" };
                list.push(Entry {
                    address: format!("{local}{n}@d{domain}.{}-bench.org", group.name),
                    domain: format!("d{domain}.{}-bench.org", group.name),
                    exchanger: format!("mx.{}{}-bench.org", group.name, domain % group.hosts),
                    asked_again_after: match group.exchanger {
                        GREYLISTING => GREYLISTED_FOR,
                        _ => Duration::ZERO,
                    },
                    session_limit: if group.exchanger == LIMITED { LIMIT } else { usize::MAX },
                    reachable: group.exchanger != "listens = false",
                });
            }
        }
        // A fixed shuffle: neighbours in the list share nothing.
        let count = list.len();
        let mut state = 1usize;
        for i in (1..count).rev() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            list.swap(i, (state >> 33) % (i + 1));
        }
        list
    }

    /// The world the exchangers live in.
    pub(crate) fn world(&self) -> anyhow::Result<World> {
        let mut text = format!("[settings]\nround_trip = \"{}ms\"\n", ROUND_TRIP.as_millis());
        for Group { name, domains, hosts, exchanger, .. } in &self.groups {
            write!(
                text,
                "[[generated]]\ndomain = \"d{{n}}.{name}-bench.org\"\ndomains = {domains}\n\
                 host = \"mx.{name}{{n}}-bench.org\"\nhosts = {hosts}\n[generated.exchanger]\n{exchanger}\n"
            )?;
        }
        Ok(World::from_toml(&text)?)
    }

    /// The verifier's configuration, but for where the sandbox is.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        Ok(toml::from_str(self.config)?)
    }

    pub(crate) fn domains(&self) -> u32 {
        self.groups.iter().map(|group| group.domains).sum()
    }

    pub(crate) fn exchangers(&self) -> u32 {
        self.groups.iter().map(|group| group.hosts).sum()
    }
}
