//! Batches planned from real answers, landed in real files.

mod landing;
mod opening;
mod positions;
mod support;
mod values;
mod widening;
