//! The worker and its room, under a paused clock: a queue in memory, and answers by script; and
//! that this queue is one.

mod memory;
mod readers;
mod script;
mod uploads;
mod work;
