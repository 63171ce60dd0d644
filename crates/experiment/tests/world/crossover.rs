//! Worlds of the crossover design.

use manyhands_experiment::{Arm, Block, Design, Slot, Sums, Unit};

use super::{Draw, Sharing, Views, World, observations, traffic};

/// A site.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) assets: usize,
    pub(crate) days: u32,
    /// Visits to assets in a block of six hours.
    pub(crate) visits: f64,
    /// Zipf exponent of popularity.
    pub(crate) zipf: f64,
    /// Standard deviation of the logarithm of lengths.
    pub(crate) sigma: f64,
}

/// Visitors that come at once, in the mean.
const BURST: f64 = 2.5;
/// Visitors who come again and have a copy, at most.
const COPIES: f64 = 0.08;

/// What is known of an asset's earlier blocks: how much of them was treated, newest first.
#[derive(Clone, Copy)]
struct Past {
    warm: f64,
    copies: f64,
}

impl Past {
    fn next(self, treated: bool, visits: f64) -> Self {
        let here = f64::from(u8::from(treated));
        Self { warm: here * visits * 0.02, copies: 0.7 * self.copies + 0.3 * here }
    }
}

/// What became of a site under one way of sharing, so far.
struct Course {
    sharing: Sharing,
    effect: f64,
    pasts: Vec<[Past; 2]>,
    units: Vec<Unit>,
    slots: Vec<Slot>,
    /// Of all units: held out as it came, treated as it came, treated all along; scripts.
    held: f64,
    shared: f64,
    full: f64,
    scripts: f64,
}

/// One site, the same visits and the same assignment, under each way of sharing.
pub(crate) fn worlds(site: Site, sharings: &[Sharing], seed: u64) -> Vec<World> {
    let mut draw = Draw::new(seed);
    let popularity: Vec<f64> =
        (1..=site.assets).map(|rank| (rank as f64).powf(-site.zipf)).collect();
    let all: f64 = popularity.iter().sum();
    let lengths: Vec<f64> = (0..site.assets)
        .map(|_| (4e7 * draw.lognormal(site.sigma)).clamp(1e6, 1e11).round())
        .collect();
    let course = |sharing: &Sharing| Course {
        sharing: *sharing,
        effect: f64::from(u8::from(sharing.effects)),
        pasts: vec![[Past { warm: 0.0, copies: 0.0 }; 2]; site.assets],
        units: Vec::new(),
        slots: Vec::new(),
        held: 0.0,
        shared: 0.0,
        full: 0.0,
        scripts: 0.0,
    };
    let mut courses: Vec<Course> = sharings.iter().map(course).collect();
    let (mut assigned, mut none) = ([0; 3], 0.0);
    for block in 0..u64::from(site.days) * 4 {
        let tide = [0.4, 1.0, 1.6, 1.0][(block % 4) as usize];
        let mut sums = vec![[0.0; 3]; courses.len()];
        for asset in 0..site.assets {
            let treated = draw.unit() >= 0.1;
            assigned[if treated { 2 } else { 1 }] += 1;
            let mean = site.visits * popularity[asset] / all * tide * draw.lognormal(0.6);
            let length = lengths[asset];
            // Bursts: who comes, and what they take together.
            let bursts: Vec<(u64, f64)> = (0..draw.poisson(mean / BURST))
                .map(|_| {
                    let (members, views) = (draw.geometric(BURST), Views::new(&mut draw));
                    (members, (0..members).map(|_| views.of_one(&mut draw)).sum::<f64>() * length)
                })
                .collect();
            let visits: u64 = bursts.iter().map(|(members, _)| members).sum();
            let wanted: f64 = bursts.iter().map(|(_, taken)| taken).sum();
            none += wanted;
            let visit = Visit { asset, block, treated, mean, visits, wanted, length };
            for (course, sums) in courses.iter_mut().zip(&mut sums) {
                course.block_of_asset(&visit, &bursts, sums);
            }
        }
        for (course, [sent, treated, overhead]) in courses.iter_mut().zip(sums) {
            let traffic = traffic(sent, treated, overhead);
            course.slots.push(Slot { number: block * 72, traffic });
        }
    }
    let world = |course: Course| World {
        stated: 1.0 - (course.shared + course.scripts / 0.9) / course.held,
        full: 1.0 - (course.full + course.scripts) / none,
        observations: observations(
            Design::DEFAULT,
            site.days,
            course.units,
            assigned,
            course.slots,
        ),
    };
    courses.into_iter().map(world).collect()
}

/// An asset in a block.
struct Visit {
    asset: usize,
    block: u64,
    treated: bool,
    mean: f64,
    visits: u64,
    wanted: f64,
    length: f64,
}

impl Course {
    /// Adds to octets sent, of those to who may share, and overhead.
    fn block_of_asset(&mut self, visit: &Visit, bursts: &[(u64, f64)], sums: &mut [f64; 3]) {
        let past = self.pasts[visit.asset];
        // With each past: as it was, and treated all along.
        let mut outcomes = [0.0; 2];
        for (members, taken) in bursts {
            let around = (members - 1) as f64 + visit.mean * 0.03;
            for (outcome, past) in outcomes.iter_mut().zip(past) {
                *outcome += taken * (1.0 - self.sharing.saved(around + self.effect * past.warm));
            }
        }
        let left = past.map(|past| 1.0 - self.effect * COPIES * past.copies);
        let visits = visit.visits as f64;
        let octets = visits * visit.length;
        let manifests = self.effect * (visits * 400.0 + octets * 0.000_5);
        let scripts = self.effect * visits * 15_000.0;
        self.held += visit.wanted * left[0];
        self.shared += outcomes[0] * left[0] + manifests;
        self.full += outcomes[1] * left[1] + manifests;
        self.scripts += scripts;
        self.pasts[visit.asset] = [past[0].next(visit.treated, visits), past[1].next(true, visits)];
        if visit.visits == 0 {
            return;
        }
        let origin = left[0] * if visit.treated { outcomes[0] } else { visit.wanted };
        let own = if visit.treated { manifests } else { self.effect * visits * 200.0 };
        sums[0] += origin;
        sums[1] += if visit.treated { origin } else { 0.0 };
        sums[2] += own + scripts;
        self.units.push(Unit {
            arm: if visit.treated { Arm::P2p } else { Arm::Http },
            block: Block(visit.block),
            key: visit.asset as u64,
            sums: Sums {
                demand: visit.visits,
                demand_bytes: octets as u64,
                requests: visit.visits,
                origin_bytes: origin as u64,
                overhead_bytes: own as u64,
                ..Sums::default()
            },
            before: None,
        });
    }
}
