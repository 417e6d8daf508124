//! Batches planned from real answers, landed in a real server, and what may be wrong with it.

mod by_hand;
mod connecting;
mod copies;
mod limits;
mod obstacles;
mod pooled;
mod rights;
mod rivals;
mod support;
