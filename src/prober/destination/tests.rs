//! The scheduler by itself, driven under a simulated clock as its shell drives it.

mod early;
mod interleavings;
mod rules;
mod sharing;
mod simulation;
mod troubles;
