//! `mailvet callbacks`: what the callbacks of a service came to.

use std::time::Duration;

use anyhow::Context as _;

use super::args::{CallbacksArgs, CallbacksCommand};
use super::client::Client;
use super::common::Common;
use super::health;
use super::render::{DIM, printable};
use crate::proto::callback_service_client::CallbackServiceClient;
use crate::proto::names::enum_name;
use crate::proto::{Callback, ListCallbacksRequest, ResendCallbackRequest, TestCallbackRequest};

/// Time to connect within.
const CONNECT: Duration = Duration::from_secs(5);

/// Time that a call may take: longer than a trial.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Callbacks asked for at a time.
const PAGE: i32 = 200;

pub(super) async fn run(args: CallbacksArgs, common: &Common) -> anyhow::Result<bool> {
    let (url, trust) = health::service(args.server, common)?;
    let client = args.client.connect(&url, &trust, CONNECT, Some(TIME_LIMIT)).await?;
    let mut client = CallbackServiceClient::new(client);
    match args.command {
        CallbacksCommand::List => list(&mut client).await,
        CallbacksCommand::Resend { callback_id } => {
            let request = ResendCallbackRequest { callback_id: callback_id.clone() };
            let resent = client.resend_callback(request).await.with_context(|| callback_id)?;
            print(&resent.into_inner().callback.unwrap_or_default());
            Ok(true)
        }
        CallbacksCommand::Test { url } => {
            let request = TestCallbackRequest { url: url.clone() };
            let answer = client.test_callback(request).await?.into_inner();
            print_line!("{}", trial(&url, answer.delivered, &answer.result));
            Ok(answer.delivered)
        }
    }
}

/// What a trial came to, in one line.
fn trial(url: &str, is_taken: bool, result: &str) -> String {
    let fate = if is_taken { "taken" } else { "not taken" };
    printable(&format!("{url}: {fate}: {result}"))
}

/// Prints all of them; `false` if one of them was given up or switched off.
async fn list(client: &mut CallbackServiceClient<Client>) -> anyhow::Result<bool> {
    let mut page_token = String::new();
    let (mut is_well, mut is_first) = (true, true);
    loop {
        let request = ListCallbacksRequest { page_size: PAGE, page_token };
        let page = client.list_callbacks(request).await?.into_inner();
        for callback in &page.callbacks {
            is_well &= !["given_up", "switched_off"].contains(&&*state(callback));
            print(callback);
        }
        if is_first && page.callbacks.is_empty() {
            anstream::eprintln!("{DIM}no batch of yours has had a callback{DIM:#}");
        }
        is_first = false;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(is_well);
        }
    }
}

fn state(callback: &Callback) -> String {
    enum_name(callback.state().as_str_name(), "CALLBACK_STATE_")
}

/// One line: id, state, tries, the last result, the next try, the URL.
fn print(callback: &Callback) {
    let result = match callback.result.as_str() {
        "" => "-",
        result => result,
    };
    let next = callback.next_try_time.map(|time| time.to_string());
    let fields = [
        callback.callback_id.clone(),
        state(callback),
        callback.tries.to_string(),
        result.to_owned(),
        next.unwrap_or_else(|| "-".to_owned()),
        callback.url.clone(),
    ];
    print_line!("{}", fields.join("\t"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_names_its_url_and_whether_it_was_taken() {
        let url = "https://crm.example.com/mailvet";
        assert_eq!(trial(url, true, "204"), "https://crm.example.com/mailvet: taken: 204");
        let failed = trial(url, false, "its host has no address");
        assert_eq!(failed, format!("{url}: not taken: its host has no address"));
    }
}
