//! Lanes: many recipients a session, manners per destination.

mod destination;
mod evidence;
mod lane;
mod memory;
mod reading;
