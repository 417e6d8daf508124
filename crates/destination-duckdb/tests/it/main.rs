//! Batches planned from real answers, landed in real files.

mod copies;
mod crashing;
mod landing;
mod limits;
mod opening;
mod positions;
mod support;
mod values;
mod widening;
