//! What can go wrong, and plans of it.

use std::collections::BTreeMap;
use std::panic::resume_unwind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails and changes nothing.
    Refused,
    /// The call takes effect; its answer is lost.
    AnswerLost,
    /// The process dies before the call.
    CrashBefore,
    /// The process dies after the call took effect.
    CrashAfter,
    /// Another engine lands pages just before the call.
    Rival,
}

pub const FAULTS: [Fault; 5] =
    [Fault::Refused, Fault::AnswerLost, Fault::CrashBefore, Fault::CrashAfter, Fault::Rival];

/// What a simulated process dies of.
pub struct Crash;

/// One call of a port: `effect` happens or does not, and the answer is heard or is not. A process that dies
/// unwinds with [`Crash`].
pub fn befall<T>(
    fault: Option<Fault>,
    effect: impl FnOnce() -> T,
    rival: impl FnOnce(),
) -> Option<T> {
    match fault {
        None => Some(effect()),
        Some(Fault::Refused) => None,
        Some(Fault::AnswerLost) => {
            effect();
            None
        }
        Some(Fault::CrashBefore) => resume_unwind(Box::new(Crash)),
        Some(Fault::CrashAfter) => {
            effect();
            resume_unwind(Box::new(Crash))
        }
        Some(Fault::Rival) => {
            rival();
            Some(effect())
        }
    }
}

/// Which calls of a port go wrong, by their number from 0. A plan is its own reproduction.
pub type Plan = BTreeMap<u64, Fault>;

/// Every fault at every one of so many steps.
pub fn singles(steps: u64) -> Vec<Plan> {
    let at = |step| FAULTS.map(|fault| Plan::from([(step, fault)]));
    (0..steps).flat_map(at).collect()
}

/// Every pair of faults within so many steps.
pub fn pairs(steps: u64) -> Vec<Plan> {
    let mut plans = Vec::new();
    for first in singles(steps) {
        let (&step, _) = first.first_key_value().expect("a single plan has a fault");
        for later in step + 1..steps {
            for fault in FAULTS {
                let mut plan = first.clone();
                plan.insert(later, fault);
                plans.push(plan);
            }
        }
    }
    plans
}

/// Three faults somewhere within so many steps: the same for the same seed.
pub fn triple(seed: u64, steps: u64) -> Plan {
    assert!(steps >= 3, "three faults need three steps");
    let mut chance = Chance::new(seed);
    let mut plan = Plan::new();
    while plan.len() < 3 {
        plan.insert(chance.below(steps), chance.pick(&FAULTS));
    }
    plan
}

/// Numbers that look like chance and follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    /// One of these.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let index = self.below(from.len() as u64);
        from[usize::try_from(index).expect("an index of a slice")].clone()
    }
}
