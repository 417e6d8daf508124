use std::hash::{BuildHasher, RandomState};

/// Bits that differ each time. Not for secrets: the standard library seeds each of its hashers
/// differently, and that is all that jitter and request ids need.
pub(crate) fn random_bits() -> u64 {
    RandomState::new().hash_one(0)
}

/// A number from 0 up to 1.
pub(crate) fn fraction() -> f64 {
    let bits = u32::try_from(random_bits() >> 40).expect("24 bits are left");
    f64::from(bits) / f64::from(1 << 24)
}
