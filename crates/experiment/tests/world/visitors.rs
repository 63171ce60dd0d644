//! Worlds of the visitors design.

use manyhands_experiment::{Arm, Block, Bucket, Design, Slot, Sums, Unit};

use super::{Draw, Sharing, Views, World, observations, traffic};

/// A site.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) assets: usize,
    pub(crate) days: u32,
    /// How often visitors come at once with others in the period.
    pub(crate) bursts: u64,
    /// Blocks that units are of: 1 where a bucket is one.
    pub(crate) blocks: u64,
    /// Zipf exponent of popularity.
    pub(crate) zipf: f64,
    /// Standard deviation of the logarithm of lengths.
    pub(crate) sigma: f64,
}

/// Visitors that come at once, in the mean.
const BURST: f64 = 4.0;

/// What a bucket would send in a block: untouched, shared given all others, shared if all did.
#[derive(Clone, Copy, Default)]
struct Outcomes {
    views: u64,
    wanted: f64,
    shared: f64,
    full: f64,
}

/// One site, the same visits and the same assignment, under each way of sharing.
pub(crate) fn worlds(site: Site, sharings: &[Sharing], seed: u64) -> Vec<World> {
    let mut draw = Draw::new(seed);
    let arms: Vec<Arm> = (0..Bucket::COUNT)
        .map(|_| match (draw.unit() * 20.0) as u64 {
            0 => Arm::Untouched,
            1 => Arm::Http,
            _ => Arm::P2p,
        })
        .collect();
    let mut popularity: Vec<f64> =
        (1..=site.assets).map(|rank| (rank as f64).powf(-site.zipf)).collect();
    let mut sum = 0.0;
    popularity.iter_mut().for_each(|part| {
        sum += *part;
        *part = sum;
    });
    let lengths: Vec<f64> = (0..site.assets)
        .map(|_| (4e7 * draw.lognormal(site.sigma)).clamp(1e6, 1e11).round())
        .collect();
    let visitors = site.bursts * 2;
    let cells = site.blocks as usize * arms.len();
    let mut buckets = vec![vec![Outcomes::default(); cells]; sharings.len()];
    let mut members: Vec<(usize, f64)> = Vec::new();
    for burst in 0..site.bursts {
        let at = draw.unit() * sum;
        let asset = popularity.partition_point(|part| *part < at).min(site.assets - 1);
        let views = Views::new(&mut draw);
        let first = (burst * site.blocks / site.bursts) as usize * arms.len();
        members.clear();
        for _ in 0..draw.geometric(BURST) {
            // Some visitors come far more often than others, and each is in one bucket.
            let visitor = (draw.unit().powi(3) * visitors as f64) as u64;
            let bucket = (visitor.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize;
            let pages = draw.geometric(2.0);
            buckets.iter_mut().for_each(|buckets| buckets[first + bucket].views += pages);
            members.push((bucket, views.of_one(&mut draw) * lengths[asset]));
        }
        let share = |bucket: usize| usize::from(arms[bucket] == Arm::P2p);
        let sharers: usize = members.iter().map(|(bucket, _)| share(*bucket)).sum();
        for (sharing, buckets) in sharings.iter().zip(&mut buckets) {
            for (bucket, taken) in &members {
                let others = (sharers - share(*bucket)) as f64;
                let outcomes = &mut buckets[first + bucket];
                outcomes.wanted += taken;
                outcomes.shared += taken * (1.0 - sharing.saved(others));
                outcomes.full += taken * (1.0 - sharing.saved((members.len() - 1) as f64));
            }
        }
    }
    let assigned = Arm::ALL.map(|arm| arms.iter().filter(|one| **one == arm).count() as u64);
    let world = |(sharing, buckets): (&Sharing, &Vec<Outcomes>)| {
        counted(site, *sharing, &arms, assigned, buckets)
    };
    sharings.iter().zip(&buckets).map(world).collect()
}

/// What a server counts of it.
fn counted(
    site: Site,
    sharing: Sharing,
    arms: &[Arm],
    assigned: [u64; 3],
    buckets: &[Outcomes],
) -> World {
    let effect = f64::from(u8::from(sharing.effects));
    let (mut none, mut shared, mut full) = (0.0, 0.0, 0.0);
    let mut slots = Vec::new();
    let mut units = Vec::new();
    for (block, buckets) in buckets.chunks(arms.len()).enumerate() {
        let (mut sent, mut treated, mut all_overhead) = (0.0, 0.0, 0.0);
        for (key, (arm, outcomes)) in arms.iter().zip(buckets).enumerate() {
            if outcomes.views == 0 {
                continue;
            }
            let views = outcomes.views as f64;
            let overhead = effect * (views * 12_000.0 + outcomes.wanted * 0.001);
            none += outcomes.wanted;
            shared += outcomes.shared + overhead;
            full += outcomes.full + overhead;
            let (origin, own) = match arm {
                Arm::Untouched => (outcomes.wanted, 0.0),
                Arm::Http => (outcomes.wanted, effect * views * 3_000.0),
                Arm::P2p => (outcomes.shared, overhead),
            };
            sent += origin;
            treated += if *arm == Arm::P2p { origin } else { 0.0 };
            all_overhead += own;
            units.push(Unit {
                arm: *arm,
                block: Block(block as u64),
                key: key as u64,
                sums: Sums {
                    demand: outcomes.views,
                    requests: outcomes.views,
                    origin_bytes: origin as u64,
                    overhead_bytes: own as u64,
                    ..Sums::default()
                },
                before: None,
            });
        }
        let traffic = traffic(sent, treated, all_overhead);
        slots.push(Slot { number: block as u64 * 72, traffic });
    }
    World {
        observations: observations(
            Design::Visitors { hours: 6 },
            site.days,
            units,
            assigned,
            slots,
        ),
        stated: 1.0 - shared / none,
        full: 1.0 - full / none,
    }
}
