//! Pacing rules: number of sessions, rates, lifetimes and retry times.
//!
//! Pure, and ignorant of SMTP: every decision takes `now` as an argument, so each rule is tested
//! under a simulated clock. The prober's lanes ask; nothing here connects, waits or remembers
//! hosts. Counts are per destination (the registrable domain of an exchanger) and per
//! egress identity, because that is what servers count.

mod backoff;
mod budget;
mod concurrency;
mod config;
mod reply_time;
mod retry;
mod session_limits;
mod window;

pub use backoff::Backoff;
pub use budget::SessionBudget;
pub use concurrency::{Concurrency, ConcurrencyState};
pub use config::Config;
pub use reply_time::ReplyTime;
pub use retry::{Delay, RetryBudget};
pub use session_limits::SessionLimits;
pub use window::Window;
