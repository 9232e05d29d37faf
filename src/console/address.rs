//! One address.

use std::time::Duration;

use http::StatusCode;

use super::answer;
use super::pages::AddressPage;
use super::visit::{Answered, Visit};
use crate::http::RequestForm;
use crate::proto::{VerifyAddressRequest, VerifyAddressResponse, VerifyOptions};

/// Time within which there is a verdict.
const TIME_LIMIT: Duration = Duration::from_secs(45);

/// Verifies an address, and tells what its server said. The address stands in no path.
pub(super) async fn verify(visit: &Visit, form: &RequestForm) -> Answered {
    let request = VerifyAddressRequest {
        address: form.value("address").trim().to_owned(),
        options: Some(VerifyOptions { include_transcript: true, ..VerifyOptions::default() }),
    };
    let answer: VerifyAddressResponse = visit.verify("VerifyAddress", &request, TIME_LIMIT).await?;
    let page = AddressPage::new(visit.frame(), &answer.verification.unwrap_or_default());
    Ok(answer::page(StatusCode::OK, &page))
}
