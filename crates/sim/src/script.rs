//! What a history is made from: its seed, who takes part, and which of its steps are taken.
//!
//! Every step throws dice of its own, made from the seed and its number, so a step can be left out
//! without changing what the others throw. That is what lets a failing history be made shorter.

use crate::lesser::Abilities;

/// Steps with faults: enough for a dozen tasks to meet each other.
const STEPS: u32 = 480;

/// The dice of what is not a step.
const CASTING: u64 = u64::MAX;

/// Who takes part in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cast {
    pub(crate) people: u8,
    pub(crate) orchestrators: u8,
    pub(crate) workers: u8,
    /// Machines that run the original's worker.
    pub(crate) legacy: u8,
    /// Whether the original's orchestrator left mirrors behind.
    pub(crate) leftovers: bool,
    /// Whether people write what isn't theirs to write.
    pub(crate) hostile: bool,
    /// What the store can do.
    pub(crate) store: Abilities,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) number: u32,
    /// Whether a fault that its dice call for happens.
    pub(crate) faults: bool,
}

/// What a history is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) cast: Cast,
    pub(crate) steps: Vec<Step>,
}

impl Script {
    /// The whole history of `seed`.
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = dice(seed, CASTING - 1);
        let cast = Cast {
            people: dice.u8(1..4),
            orchestrators: dice.u8(1..4),
            workers: dice.u8(1..4),
            legacy: if dice.u8(0..4) == 0 { dice.u8(1..3) } else { 0 },
            leftovers: dice.u8(0..4) == 0,
            hostile: dice.u8(0..3) == 0,
            store: Abilities::of(&mut dice),
        };
        let steps = (0..STEPS).map(|number| Step {
            number,
            faults: true,
        });
        Self {
            seed,
            cast,
            steps: steps.collect(),
        }
    }

    /// The dice that decide how everybody begins.
    pub(crate) fn casting(&self) -> fastrand::Rng {
        dice(self.seed, CASTING)
    }

    /// The dice of one step.
    pub(crate) fn dice(&self, number: u32) -> fastrand::Rng {
        dice(self.seed, u64::from(number))
    }
}

/// Dice that depend on both numbers: neighbouring seeds and steps have nothing in common.
fn dice(seed: u64, number: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(mixed(mixed(seed) ^ number))
}

/// `SplitMix64`'s last steps.
const fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
