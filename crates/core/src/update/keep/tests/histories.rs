//! Thousands of random lives of a keeper: versions that work, crash or hang, power that fails between any two deeds, people
//! who turn the link.

use super::*;

/// The versions of a history; how each behaves is thrown.
const VERSIONS: [&str; 5] = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    Good,
    Crashes,
    Hangs,
}

/// Throws; the same seed throws the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

struct Life {
    dice: Dice,
    natures: Vec<Nature>,
    there: Installation,
    /// On disk.
    memory: Memory,
    keeper: Keeper,
    runs: Option<Release>,
    now: i64,
    calm: bool,
    trials: u32,
    cut: u32,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let natures = VERSIONS
            .iter()
            .enumerate()
            .map(|(number, _)| match dice.below(3) {
                _ if number == 0 => Nature::Good,
                0 => Nature::Good,
                1 => Nature::Crashes,
                _ => Nature::Hangs,
            });
        Self {
            natures: natures.collect(),
            dice,
            there: installation(&VERSIONS),
            memory: Memory::default(),
            keeper: Keeper::new(Memory::default(), HEALTH, at(0)),
            runs: None,
            now: 0,
            calm: false,
            trials: 0,
            cut: 0,
        }
    }

    fn nature(&self, of: &Release) -> Nature {
        let number = VERSIONS.iter().position(|version| release(version) == *of);
        self.natures[number.unwrap()]
    }

    /// Power fails: what is not on disk is gone, and so is the program.
    fn cut(&mut self) {
        self.cut += 1;
        self.runs = None;
        self.keeper = Keeper::new(self.memory.clone(), HEALTH, at(self.now));
    }

    fn feed(&mut self, event: Event) {
        let acts = self.keeper.step(event, &self.there, at(self.now));
        for act in acts {
            if !self.calm && self.dice.one_in(15) {
                self.cut();
                return;
            }
            self.act(act);
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Remember(memory) => self.memory = memory,
            Act::Start { release, on_trial } => {
                let release = release.unwrap();
                assert_eq!(self.runs, None, "two at once");
                assert!(self.there.there.contains(&release));
                if on_trial {
                    assert!(
                        !self.there.failed.contains(&release),
                        "tried again: {release}"
                    );
                    self.trials += 1;
                }
                self.runs = Some(release);
            }
            Act::End(_) => {
                self.runs = None;
                self.feed(crash());
            }
            Act::Failed { release, back, .. } => {
                if !self.there.failed.contains(&release) {
                    self.there.failed.push(release.clone());
                }
                if self.there.current.as_ref() == Some(&release) {
                    self.there.current = Some(back);
                }
            }
            Act::Forgive(release) => self.there.failed.retain(|failed| *failed != release),
            Act::Turn(to) => self.there.current = Some(to),
            Act::Say(_) | Act::Healthy => {}
            Act::Leave => panic!("nobody told it to"),
        }
    }

    fn second(&mut self) {
        self.now += 1;
        self.feed(Event::Tick);
        let Some(runs) = self.runs.clone() else {
            return;
        };
        match self.nature(&runs) {
            Nature::Good => self.feed(WELL),
            Nature::Hangs => self.feed(Event::Pulse { healthy: false }),
            Nature::Crashes => {
                self.runs = None;
                self.feed(crash());
            }
        }
        if self.calm || self.runs.is_none() {
            return;
        }
        let proved = self.keeper.memory().proven == self.runs;
        let other = release(VERSIONS[self.dice.below(VERSIONS.len() as u64) as usize]);
        if self.dice.one_in(40) && !self.there.failed.contains(&other) {
            // Some hand over before they proved themselves.
            self.runs = None;
            let turn = self.dice.one_in(2);
            self.feed(Event::Ended(End::HandOver { to: other, turn }));
        } else if proved && self.dice.one_in(300) && !self.there.failed.contains(&other) {
            // Somebody takes another version into use, and restarts the keeper.
            self.there.current = Some(other);
            self.cut();
        }
    }
}

#[test]
fn whatever_befalls_a_keeper_a_version_that_works_runs_in_the_end() {
    let (mut trials, mut cuts, mut went_back) = (0, 0, 0);
    for seed in 0..2_000 {
        let mut life = Life::new(seed);
        for _ in 0..800 {
            life.second();
        }
        life.calm = true;
        for _ in 0..400 {
            life.second();
        }
        let runs = life
            .runs
            .clone()
            .unwrap_or_else(|| panic!("seed {seed}: nothing runs"));
        assert_eq!(life.nature(&runs), Nature::Good, "seed {seed}: {runs}");
        assert_eq!(life.memory.proven, Some(runs), "seed {seed}");
        trials += life.trials;
        cuts += life.cut;
        went_back += life.there.failed.len();
    }
    assert!(
        trials > 2_000 && cuts > 2_000 && went_back > 500,
        "{trials} {cuts} {went_back}"
    );
}
