//! The console: the page for people, on the listener of the service.
//!
//! Pages are made of the answers of our own services, which are called past the same gate as by
//! anybody else: keys, quotas, limits and logs hold, and a person sees the lists of the key that
//! they signed in with. What is decided here is only who has a session, and what a page looks like.
//!
//! Every page works without JavaScript; a module of some lines adds dropping a file and live
//! progress. No page loads anything from elsewhere, and none holds a script or a style (CSP).

mod address;
mod answer;
mod batches;
mod drafts;
mod found;
mod layer;
mod lists;
mod live;
mod outcomes;
mod pages;
mod parts;
mod progress;
mod sessions;
mod site;
mod survey;
#[cfg(test)]
mod tests;
mod visit;
mod words;

pub use layer::ConsoleLayer;
