//! The scheduler by itself, driven under a simulated clock as its shell drives it.

mod early;
mod interleavings;
mod pressed;
mod rules;
mod sharing;
mod simulation;
mod troubles;
