//! Pure files: no runtime, no network, no files, no environment, no clock, and no import of a file
//! that has one.

use crate::assert_none;
use crate::house::House;
use crate::modules::Modules;
use crate::source::Source;

/// The rooms that are pure, but for the files of [`SHELL`].
#[rustfmt::skip]
const PURE_ROOMS: &[&str] = &[
    "instruments",
    "toml_reader",
    "address",
    "lists",
    "listfile",
    "dns",
    "spf",
    "smtp",
    "verdict",
    "pacing",
    "access",
    "campaign",
    "report",
    "exclusion",
];

/// Files, and folders of files, that are pure in rooms that are not.
const PURE_FILES: &[&str] = &[
    "batch/config.rs",
    "batch/cursor.rs",
    "batch/outcome.rs",
    "batch/outcome/",
    "batch/plan.rs",
    "batch/queue.rs",
    "batch/queue/",
    "batch/store.rs",
    "batch/stored_reasons.rs",
    "batch/time.rs",
    "cache/config.rs",
    "cache/counters.rs",
    "cache/freshness.rs",
    "cache/second_level.rs",
    "callbacks/answer.rs",
    "callbacks/config.rs",
    "callbacks/payload.rs",
    "callbacks/receiver.rs",
    "callbacks/schedule.rs",
    "callbacks/secrets.rs",
    "callbacks/signature.rs",
    "cluster/config.rs",
    "cluster/holdings.rs",
    "cluster/misses.rs",
    "cluster/tenure.rs",
    "console/words.rs",
    "doctor/checks/",
    "doctor/config.rs",
    "doctor/date.rs",
    "doctor/facts.rs",
    "doctor/finding.rs",
    "doctor/blocklist.rs",
    "doctor/name.rs",
    "egress/choice.rs",
    "egress/identity.rs",
    "http/accept.rs",
    "http/answer.rs",
    "http/bad_request.rs",
    "http/body_survey.rs",
    "http/browser_guard.rs",
    "http/config.rs",
    "http/csv.rs",
    "http/form.rs",
    "http/frames.rs",
    "http/openapi/",
    "http/query.rs",
    "http/request.rs",
    "http/routes.rs",
    "http/template.rs",
    "http/timeout.rs",
    "http_client/headers.rs",
    "http_client/idle.rs",
    "http_client/url.rs",
    "outcomes/accuracy/",
    "outcomes/bounce/",
    "outcomes/config.rs",
    "outcomes/digest.rs",
    "outcomes/event.rs",
    "outcomes/hooks/bearer.rs",
    "outcomes/hooks/config.rs",
    "outcomes/hooks/headers.rs",
    "outcomes/hooks/hook_key.rs",
    "outcomes/hooks/mailgun.rs",
    "outcomes/hooks/refusal.rs",
    "outcomes/hooks/resend.rs",
    "outcomes/hooks/sendgrid.rs",
    "outcomes/hooks/sns.rs",
    "outcomes/hooks/time_window.rs",
    "outcomes/hooks/used_tokens.rs",
    "outcomes/kind.rs",
    "outcomes/mail_service.rs",
    "outcomes/readers/",
    "outcomes/stored_outcome.rs",
    "posture/config.rs",
    "posture/facts.rs",
    "posture/lookup.rs",
    "posture/mta_sts.rs",
    "posture/note.rs",
    "posture/parking.rs",
    "posture/tlsa.rs",
    "prober/control.rs",
    "prober/destination/",
    "prober/evidence.rs",
    "prober/lane/",
    "prober/memory.rs",
    "prober/disposition.rs",
    "prober/question_router.rs",
    "prober/stats.rs",
    "prober/stored_probe.rs",
    "prober/wire.rs",
    "registration/answer.rs",
    "registration/bootstrap.rs",
    "registration/config.rs",
    "registration/facts.rs",
    "registration/lookup.rs",
    "registration/pace.rs",
    "verifier/counters.rs",
    "verifier/lifetime.rs",
    "verifier/prior.rs",
    "verifier/report.rs",
    "verifier/subject.rs",
    "verifier/verification.rs",
];

/// The files, and folders of files, in pure rooms that touch the world.
const SHELL: &[&str] = &[
    "dns/failover.rs",
    "dns/name_server.rs",
    "dns/question_message.rs",
    "dns/questions.rs",
    "dns/reply_queue.rs",
    "dns/resolver.rs",
    "dns/response.rs",
    "dns/special_names.rs",
    "dns/tcp.rs",
    "dns/udp.rs",
    "dns/upstream.rs",
    "lists/reload.rs",
    "smtp/session/",
];

fn is_among(name: &str, files: &[&str]) -> bool {
    files.iter().any(|file| name == *file || (file.ends_with('/') && name.starts_with(file)))
}

fn is_pure(source: &Source) -> bool {
    let is_in_pure_room = PURE_ROOMS.contains(&source.room()) && !is_among(&source.name, SHELL);
    (is_in_pure_room || is_among(&source.name, PURE_FILES)) && !source.is_test()
}

#[test]
fn pure_files_do_no_io_and_have_no_clock() {
    const IMPURE: [&str; 9] = [
        "tokio",
        "tokio_rustls",
        "tokio_util",
        "hickory_resolver",
        "hickory_server",
        "tonic",
        "rand",
        "rcgen",
        "moka",
    ];
    const IMPURE_STD: [&str; 5] = ["env", "fs", "process", "thread", "net"];
    let house = House::get();
    let mut violations = Vec::new();
    for source in house.sources.iter().filter(|source| is_pure(source)) {
        for path in &source.paths {
            let first = path[0].as_str();
            if IMPURE.contains(&first) {
                violations.push(format!("{} names {first}", source.name));
            }
            if first == "std" && path.len() > 1 && IMPURE_STD.contains(&path[1].as_str()) {
                let data = ["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr"];
                let plain_data = path[1] == "net" && path.len() > 2 && data.contains(&&*path[2]);
                if !plain_data {
                    violations.push(format!("{} names {}", source.name, path.join("::")));
                }
            }
            if first == "crate" && path.get(1).is_some_and(|room| room == "clock") {
                violations.push(format!("{} names the clock: take `now` instead", source.name));
            }
        }
    }
    assert_none(&violations, "pure files name no runtime, no network, no clock");
}

#[test]
fn pure_files_do_not_import_the_shell_beside_them() {
    let house = House::get();
    let modules = Modules::of(house);
    let by_name = |name: &str| modules.sources().find(|source| source.name == name);
    let mut violations = Vec::new();
    for source in modules.sources().filter(|source| is_pure(source) && !source.is_module_head()) {
        for target in modules.targets(source).into_iter().filter_map(by_name) {
            let is_beside = target.room() == source.room() && !target.is_module_head();
            if is_beside && !is_pure(target) {
                violations.push(format!("{} names {}", source.name, target.name));
            }
        }
    }
    assert_none(&violations, "I/O files import pure ones, never the reverse");
}
