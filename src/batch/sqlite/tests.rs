//! Tests of what only this kind of queue has.
