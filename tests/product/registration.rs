//! Registration data: what the registry says of a domain, at every door, and what it changes.

mod command_line;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use mailvet::proto::upload_batch_request::Part;
use mailvet::proto::{
    Action, BatchAddress, BatchEnd, BatchOptions, BatchPage, BatchSpec, Depth, GetBatchRequest,
    PreflightCautionKind, Reason, Registration, RegistrationGap, RegistrationState, ResultOrder,
    UploadBatchRequest, Verification, VerifyAddressRequest, VerifyDomainRequest, VerifyOptions,
};

use crate::customer::{read, results_of};
use crate::product::Product;

/// A product that may ask the sandbox's registry.
async fn asking() -> Product {
    Product::with(|config| config.registration.enabled = true).await
}

/// The same, with the registry that limits us as that of every domain.
async fn under_one_registry() -> Product {
    Product::with(|config| {
        config.registration.enabled = true;
        let services = &mut config.registration.services;
        let limited = services["registry-limit.test"].clone();
        services.insert("test".to_owned(), limited);
    })
    .await
}

async fn of_domain(product: &Product, domain: &str) -> Registration {
    let domain = domain.to_owned();
    let request = VerifyDomainRequest { domain, include_registration: true, ..Default::default() };
    let answer = product.client().await.verify_domain(request).await.unwrap().into_inner();
    answer.report.unwrap().registration.unwrap()
}

fn with_registration() -> VerifyOptions {
    VerifyOptions { include_registration: true, ..VerifyOptions::default() }
}

async fn verify(product: &Product, address: &str, options: VerifyOptions) -> Verification {
    let request = VerifyAddressRequest { address: address.to_owned(), options: Some(options) };
    let answer = product.client().await.verify_address(request).await.unwrap();
    answer.into_inner().verification.unwrap()
}

/// A day of the year 2025, as a consent.
fn consent(day: u64) -> Option<prost_types::Timestamp> {
    let start_of_2025 = SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_600);
    Some((start_of_2025 + Duration::from_secs(86_400 * day)).into())
}

/// The verifications of a batch, in the order of its rows.
async fn batch(product: &Product, options: BatchOptions, rows: &[&str]) -> Vec<Verification> {
    let row =
        |address: &&str| BatchAddress { address: (*address).to_owned(), ..BatchAddress::default() };
    let created = upload(product, options, rows.iter().map(row).collect()).await;
    rows_of(product, &created).await
}

/// The verifications of a batch that is there.
async fn rows_of(product: &Product, batch_id: &str) -> Vec<Verification> {
    let request = results_of(batch_id, ResultOrder::Row);
    let results = read(&mut product.batch_client().await, request).await;
    results.into_iter().map(|result| result.verification.unwrap()).collect()
}

/// The id of a new batch of these rows.
async fn upload(product: &Product, options: BatchOptions, rows: Vec<BatchAddress>) -> String {
    let spec = Part::Spec(BatchSpec { options: Some(options), ..BatchSpec::default() });
    let end = Part::End(BatchEnd { rows: rows.len() as i64 });
    let page = Part::Page(BatchPage { addresses: rows });
    let parts = [spec, page, end].map(|part| UploadBatchRequest { part: Some(part) });
    let mut client = product.batch_client().await;
    let created = client.upload_batch(tokio_stream::iter(parts)).await.unwrap().into_inner();
    created.batch.unwrap().batch_id
}

#[tokio::test]
async fn the_report_on_a_domain_has_its_registration_and_no_holder() {
    let product = asking().await;
    let acme = of_domain(&product, "mail.acme.test").await;
    assert_eq!(acme.domain, "acme.test");
    assert_eq!(acme.state(), RegistrationState::Registered);
    assert_eq!(acme.register_time.unwrap().seconds, 1_078_131_600);
    assert!(acme.change_time.is_some() && acme.expire_time.is_some() && acme.ask_time.is_some());
    assert_eq!(acme.statuses, ["active"]);
    assert_eq!(acme.registrar.as_deref(), Some("Sandbox Registrar"));
    assert!(!format!("{acme:?}").contains("Holder"));
    product.stop().await;
}

#[tokio::test]
async fn a_domain_that_does_not_exist_is_explained_by_its_registration() {
    let product = asking().await;
    let cases = [
        ("no-such-domain.test", "its registry's service knows no such domain"),
        ("client-hold.test", "its registrar took it out of DNS"),
        ("server-hold.test", "its registry took it out of DNS"),
        ("redemption.test", "can still be restored by its holder"),
        ("pending-delete.test", "within days anybody may register it"),
        ("no-name-servers.test", "registered without name servers"),
    ];
    for (domain, words) in cases {
        // The domain is asked about first, so that the verdict finds the answer there.
        let text = of_domain(&product, domain).await.text.unwrap();
        assert!(text.contains(words), "{domain}: {text}");
        let verification = verify(&product, &format!("jane@{domain}"), with_registration()).await;
        assert_eq!(verification.reason(), Reason::DomainNotFound);
        let failure = verification.evidence.unwrap().failure.unwrap();
        assert!(failure.contains(words), "{domain}: {failure}");
    }
    let remark = of_domain(&product, "catch-all.test").await.text.unwrap();
    assert!(remark.contains("ended on 2025-01-10 and it still resolves"), "{remark}");
    let elsewhere = of_domain(&product, "null-mx.test").await;
    assert_eq!(elsewhere.state(), RegistrationState::NotRegistered);
    let remark = elsewhere.text.unwrap();
    assert!(remark.contains("is in DNS") && remark.contains("held elsewhere"), "{remark}");
    product.stop().await;
}

#[tokio::test]
async fn why_a_registration_is_not_known_is_said() {
    let product = under_one_registry().await;
    let cases = [
        ("registry-trouble.test", RegistrationGap::RegistryUnavailable),
        ("registry-limit.test", RegistrationGap::RateLimited),
        // The registry rests.
        ("acme.test", RegistrationGap::RateLimited),
    ];
    for (domain, gap) in cases {
        let registration = of_domain(&product, domain).await;
        assert_eq!(registration.state(), RegistrationState::Unknown, "{domain}");
        assert_eq!(registration.gap(), gap, "{domain}");
        assert!(registration.text.is_some() && registration.register_time.is_none());
    }
    product.stop().await;
    let off = Product::start().await;
    assert_eq!(of_domain(&off, "acme.test").await.gap(), RegistrationGap::Disabled);
    verify(&off, "jane@acme.test", with_registration()).await;
    assert_eq!(off.sandbox.registry_requests(), 0);
    off.stop().await;
}

#[tokio::test]
async fn a_verdict_does_not_wait_for_a_registry_and_without_the_wish_none_is_asked() {
    let product = Product::with(|config| {
        config.registration.enabled = true;
        // Nobody answers there, and nobody refuses either: TEST-NET-1.
        let networks = ["127.0.0.0/8", "192.0.2.1"].map(str::to_owned).to_vec();
        config.smtp.allow_networks = networks.try_into().unwrap();
        config.registration.services =
            BTreeMap::from([("test".to_owned(), "http://192.0.2.1:9/".to_owned())]);
    })
    .await;
    let verification = verify(&product, "jane.doe@acme.test", with_registration()).await;
    assert_eq!(verification.reason(), Reason::MailboxAccepted);
    let registration = verification.evidence.unwrap().registration.unwrap();
    assert_eq!(registration.state(), RegistrationState::Unknown);
    let plain = verify(&product, "sales@acme.test", VerifyOptions::default()).await;
    assert!(plain.evidence.unwrap().registration.is_none());
    let syntax = VerifyOptions { depth: Depth::Syntax.into(), ..with_registration() };
    let syntax = verify(&product, "sales@acme.test", syntax).await;
    assert!(syntax.evidence.unwrap().registration.is_none());
    product.stop().await;
}

#[tokio::test]
async fn a_domain_registered_after_the_consent_is_for_review_and_never_suppressed() {
    let product = asking().await;
    of_domain(&product, "northwind.test").await;
    let consented = |day| VerifyOptions { consent_time: consent(day), ..VerifyOptions::default() };
    let recycled = verify(&product, "lea.martin@northwind.test", consented(0)).await;
    assert_eq!(recycled.reason(), Reason::MailboxAccepted);
    assert!(recycled.flags.unwrap().registered_after_consent);
    assert_eq!(recycled.action(), Action::Review);
    // Registered on 2026-05-20: from a week before that day on, the consent may be the holder's.
    let since = verify(&product, "lea.martin@northwind.test", consented(498)).await;
    assert!(!since.flags.unwrap().registered_after_consent);
    assert_eq!(since.action(), Action::Send);
    let unknown = verify(&product, "lea.martin@northwind.test", VerifyOptions::default()).await;
    assert!(!unknown.flags.unwrap().registered_after_consent);
    product.stop().await;
}

#[tokio::test]
async fn a_batch_with_the_time_of_its_consents_flags_rows_and_keeps_the_registration() {
    let product = asking().await;
    // What is known by the time of the verdict counts: it is known from here on.
    of_domain(&product, "northwind.test").await;
    of_domain(&product, "acme.test").await;
    let options = BatchOptions { consent_time: consent(0), ..BatchOptions::default() };
    let rows = ["lea.martin@northwind.test", "jane.doe@acme.test"];
    let verifications = batch(&product, options, &rows).await;
    let flagged = |v: &Verification| v.flags.as_ref().unwrap().registered_after_consent;
    let [northwind, acme] = &verifications[..] else { panic!("{verifications:?}") };
    assert!(flagged(northwind) && northwind.action() == Action::Review, "{northwind:?}");
    assert!(!flagged(acme) && acme.action() == Action::Send, "{acme:?}");
    let registration = northwind.evidence.as_ref().unwrap().registration.as_ref().unwrap();
    assert_eq!(registration.register_time.unwrap().seconds, 1_779_235_200);
    assert_eq!(registration.registrar.as_deref(), Some("Sandbox Registrar"));
    product.stop().await;
}

#[tokio::test]
async fn a_list_that_is_run_again_with_consents_is_checked_although_its_evidence_is_remembered() {
    let product = asking().await;
    let rows = ["lea.martin@northwind.test", "jane.doe@acme.test"];
    let plain = batch(&product, BatchOptions::default(), &rows).await;
    assert!(plain.iter().all(|row| row.action() == Action::Send), "{plain:?}");
    assert_eq!(product.sandbox.registry_requests(), 0, "nobody asked for it");
    let options = BatchOptions { consent_time: consent(0), ..BatchOptions::default() };
    let again = batch(&product, options, &rows).await;
    let [northwind, acme] = &again[..] else { panic!("{again:?}") };
    for row in [northwind, acme] {
        let evidence = row.evidence.as_ref().unwrap();
        assert!(evidence.from_cache, "{row:?}");
        let registration = evidence.registration.as_ref().unwrap();
        assert_eq!(registration.state(), RegistrationState::Registered, "{row:?}");
    }
    assert!(northwind.flags.as_ref().unwrap().registered_after_consent, "{northwind:?}");
    assert_eq!((northwind.action(), acme.action()), (Action::Review, Action::Send));
    product.stop().await;
}

#[tokio::test]
async fn a_row_s_own_consent_comes_before_that_of_its_batch() {
    let product = asking().await;
    let options = BatchOptions { consent_time: consent(0), ..BatchOptions::default() };
    let row = |address: &str, consent_time| BatchAddress {
        address: address.to_owned(),
        consent_time,
        ..BatchAddress::default()
    };
    let northwind = "lea.martin@northwind.test";
    let created = upload(&product, options, vec![row(northwind, None)]).await;
    let verifications = rows_of(&product, &created).await;
    assert!(verifications[0].flags.unwrap().registered_after_consent, "nobody asked before");
    let since = vec![row(northwind, consent(498)), row("jane.doe@acme.test", None)];
    let created = upload(&product, options, since).await;
    let verifications = rows_of(&product, &created).await;
    assert!(!verifications[0].flags.unwrap().registered_after_consent);
    assert_eq!(verifications[0].action(), Action::Send);
    // The same address twice: what its owner said last counts.
    let twice = vec![row(northwind, consent(0)), row(northwind, consent(498))];
    let created = upload(&product, BatchOptions::default(), twice).await;
    assert!(!rows_of(&product, &created).await[0].flags.unwrap().registered_after_consent);
    let early = vec![row(northwind, consent(0)), row("jane.doe@acme.test", consent(0))];
    let created = upload(&product, BatchOptions::default(), early).await;
    assert_eq!(rows_of(&product, &created).await[0].action(), Action::Review);
    let request = GetBatchRequest { batch_id: created };
    let batch = product.batch_client().await.get_batch(request).await.unwrap().into_inner();
    let batch = batch.batch.unwrap();
    assert_eq!(batch.progress.unwrap().registered_after_consent_rows, 1);
    let cautions = batch.preflight.unwrap().cautions;
    assert_eq!(cautions[0].kind(), PreflightCautionKind::RegisteredAfterConsent);
    assert_eq!((cautions[0].rows, cautions[0].of_rows), (1, 2));
    product.stop().await;
}

#[tokio::test]
async fn a_registry_that_limits_us_in_the_sandbox_is_not_that_of_other_domains() {
    let product = asking().await;
    let limited = of_domain(&product, "registry-limit.test").await;
    assert_eq!(limited.gap(), RegistrationGap::RateLimited);
    let acme = of_domain(&product, "acme.test").await;
    assert_eq!(acme.state(), RegistrationState::Registered, "{acme:?}");
    product.stop().await;
}

#[tokio::test]
async fn consents_that_no_registry_was_heard_about_are_counted_and_cautioned() {
    let product = under_one_registry().await;
    // From here on the registry of all rests.
    let limited = of_domain(&product, "registry-limit.test").await;
    assert_eq!(limited.gap(), RegistrationGap::RateLimited);
    let options = BatchOptions {
        consent_time: consent(0),
        retry_window: Some(Duration::ZERO.try_into().unwrap()),
        ..BatchOptions::default()
    };
    let row = |address: &str| BatchAddress { address: address.to_owned(), ..Default::default() };
    let rows = ["lea.martin@northwind.test", "jane.doe@acme.test", "nobody@acme.test"];
    let created = upload(&product, options, rows.map(row).to_vec()).await;
    let verifications = rows_of(&product, &created).await;
    assert_eq!(verifications[0].action(), Action::Send, "nobody knows better");
    let request = GetBatchRequest { batch_id: created };
    let batch = product.batch_client().await.get_batch(request).await.unwrap().into_inner();
    let batch = batch.batch.unwrap();
    // The mailbox that is not there is not written to anyway.
    assert_eq!(batch.progress.unwrap().unchecked_consent_rows, 2);
    let cautions = batch.preflight.unwrap().cautions;
    assert_eq!(cautions[0].kind(), PreflightCautionKind::UncheckedConsent);
    assert_eq!((cautions[0].rows, cautions[0].of_rows), (2, 3));
    product.stop().await;
}

#[tokio::test]
async fn a_domain_is_asked_about_once_however_many_rows_a_batch_has_of_it() {
    let product = Product::with(|config| {
        config.registration.enabled = true;
        config.registration.requests_per_second = 1000.try_into().unwrap();
    })
    .await;
    let rows: Vec<String> = (0..300).map(|n| format!("user{n}@d{}.test", n % 100)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let options = BatchOptions { include_registration: true, ..BatchOptions::default() };
    let verifications = batch(&product, options, &rows).await;
    assert_eq!(verifications.len(), 300);
    for verification in &verifications {
        assert!(verification.evidence.as_ref().unwrap().registration.is_some());
    }
    // Every one is waited for: those that were asked about are not asked about again.
    for n in 0..100 {
        let registration = of_domain(&product, &format!("d{n}.test")).await;
        assert_eq!(registration.state(), RegistrationState::NotRegistered);
    }
    assert_eq!(product.sandbox.registry_requests(), 100);
    let connections = product.sandbox.registry_connections();
    assert!(connections <= 8, "{connections}");
    product.stop().await;
}
