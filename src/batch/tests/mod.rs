//! The worker and its room, under a paused clock: a queue in memory, and answers by script.

mod readers;
mod script;
mod work;
