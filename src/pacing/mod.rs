//! Manners, decided: how many sessions, how fast, for how long, when again.
//!
//! Pure, and ignorant of SMTP: every decision takes `now` as an argument, so each rule is tested
//! under a simulated clock. The prober's lanes ask; nothing here connects, waits or remembers hosts.
//! What is counted is counted per destination (the registrable domain of an exchanger) and per
//! egress identity, because that is what servers count.

mod budget;
mod concurrency;
mod config;
mod egress;
mod patience;
mod reply_time;
mod rest;
mod window;

pub use budget::SessionBudget;
pub use concurrency::Concurrency;
pub use config::Config;
pub use egress::choose_egress;
pub use patience::{Delay, Patience};
pub use reply_time::ReplyTime;
pub use rest::Rest;
pub use window::Window;
