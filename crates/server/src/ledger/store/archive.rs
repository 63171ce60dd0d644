use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use manyhands_experiment::{
    Arm, Billing, Block, Claims, Design, Histogram, Latency, Metric, Observations, SizeClass, Slot,
    Sums, Traffic, Unit,
};
use rusqlite::{Connection, Row};

use super::write::{SLOT, stored};
use super::{ArchiveError, FILE, csv, schema};

/// Most assets in a list of those that sent most.
const TOP: usize = 20;

/// What the servers of one site have written: one state directory each, read as one.
///
/// Sums that several of them kept of the same unit are added up.
#[derive(Debug)]
pub struct Archive {
    databases: Vec<Database>,
}

#[derive(Debug)]
struct Database {
    connection: Connection,
    dir: PathBuf,
}

/// What a saving and a delay are judged by; from the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// The operator's prices (`[billing]`).
    pub billing: Billing,
    /// How many times plain HTTP's time a download may take (`[policy] slack`).
    pub slack: f64,
}

/// A stretch of time, in seconds since the epoch; unbounded where not given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// The first second.
    pub from: Option<u64>,
    /// The first second that is not part of it.
    pub until: Option<u64>,
}

/// One experiment, as entered.
#[derive(Debug, Clone)]
struct Entered {
    id: i64,
    design: Design,
    began: u64,
    planned_days: u32,
    buckets: [u64; 3],
}

/// (block, arm, name)
pub(super) type UnitKey = (u64, Arm, String);

impl Archive {
    /// Opens the databases of these state directories to read.
    ///
    /// # Errors
    /// When one of them is missing or can't be read.
    pub fn open(dirs: &[PathBuf]) -> Result<Self, ArchiveError> {
        let open = |dir: &PathBuf| {
            let connection = schema::open_to_read(dir)?;
            Ok(Database { connection, dir: dir.clone() })
        };
        dirs.iter().map(open).collect::<Result<_, _>>().map(|databases| Self { databases })
    }

    /// Everything that an analysis needs of a period. `experiment`: which; the latest where not given.
    ///
    /// # Errors
    /// When there is none, the databases are not of one, or can't be read.
    pub fn observations(
        &self,
        experiment: Option<u64>,
        period: Period,
        Terms { billing, slack }: Terms,
    ) -> Result<Observations, ArchiveError> {
        let entered = self.entered(experiment)?;
        let Entered { design, began, planned_days, .. } = entered;
        let slots = self.slots(period, began)?;
        let end = slots.last().map_or(began, |slot| (slot.number + 1) * SLOT);
        let from = period.from.unwrap_or(began).max(began);
        let until = period.until.unwrap_or(end).max(from);
        let by_key = self.units(&entered, period)?;
        let mut claims = self.claims(&entered, period)?;
        let assigned = match design {
            Design::Visitors { .. } => entered.buckets,
            Design::Crossover { .. } => {
                // Reports that could have come: one an asset that was wanted.
                for ((_, arm, _), sums) in &by_key {
                    if let Some(claims) = claims.get_mut(*arm as usize) {
                        claims.tokens = claims.tokens.saturating_add(sums.demand);
                    }
                }
                self.assigned(&entered, period)?
            }
        };
        let units = match design {
            Design::Crossover { .. } => {
                crossover_units(&self.units(&entered, before(period))?, by_key)
            }
            Design::Visitors { .. } => visitor_units(&self.former_buckets(&entered)?, by_key),
        };
        let latencies = self.latencies(&entered, period)?;
        Ok(Observations {
            design,
            began,
            planned_days,
            from,
            until,
            units,
            assigned,
            slots,
            latencies,
            claims,
            billing,
            slack,
        })
    }

    /// The shared assets that sent most, most first.
    pub(crate) fn top_assets(
        &self,
        experiment: Option<u64>,
    ) -> Result<Vec<(String, Sums)>, ArchiveError> {
        let entered = self.entered(experiment)?;
        let mut by_path: HashMap<String, Sums> = HashMap::new();
        if let Design::Crossover { .. } = entered.design {
            for ((_, _, name), sums) in self.units(&entered, Period::default())? {
                by_path.entry(name).or_default().add(&sums);
            }
        }
        let mut top: Vec<_> = by_path.into_iter().collect();
        top.sort_unstable_by(|(path, sums), (other_path, other)| {
            other.origin_bytes.cmp(&sums.origin_bytes).then_with(|| path.cmp(other_path))
        });
        top.truncate(TOP);
        Ok(top)
    }

    /// Writes the raw sums of all units of a period, so that anyone can recompute: a head and a line a unit
    /// (RFC 4180, but with line feeds).
    ///
    /// # Errors
    /// When a database can't be read, or `out` written.
    pub fn write_csv(
        &self,
        experiment: Option<u64>,
        period: Period,
        out: &mut dyn Write,
    ) -> Result<io::Result<()>, ArchiveError> {
        let entered = self.entered(experiment)?;
        let units = self.units(&entered, period)?;
        Ok(csv::write(entered.id.unsigned_abs(), &units, out))
    }

    /// Why transfers fell back to plain HTTP, as browsers claim: most first.
    pub(crate) fn fallbacks(
        &self,
        experiment: Option<u64>,
    ) -> Result<Vec<(String, u64)>, ArchiveError> {
        let entered = self.entered(experiment)?;
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        self.each(
            "SELECT reason, sum(count) FROM fallback WHERE experiment = ?1 GROUP BY reason",
            &[entered.id],
            |row| {
                *counts.entry(row.get(0)?).or_default() += number(row, 1)?;
                Ok(())
            },
        )?;
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(counts)
    }

    /// The experiment in question, from every database; they must be of one.
    fn entered(&self, experiment: Option<u64>) -> Result<Entered, ArchiveError> {
        let mut found: Option<Entered> = None;
        for database in &self.databases {
            let entered = database
                .entered(experiment.map(stored))?
                .ok_or_else(|| ArchiveError::Missing(database.dir.clone()))?;
            match &mut found {
                None => found = Some(entered),
                Some(first) if first.id == entered.id => {
                    first.began = first.began.min(entered.began)
                }
                Some(_) => return Err(ArchiveError::Foreign(database.dir.clone())),
            }
        }
        found.ok_or_else(|| ArchiveError::Missing(PathBuf::new()))
    }

    /// Sums by unit. Of a crossover blocks that lie in the period as a whole or in part, since a unit is one.
    fn units(
        &self,
        entered: &Entered,
        period: Period,
    ) -> Result<BTreeMap<UnitKey, Sums>, ArchiveError> {
        let mut units: BTreeMap<UnitKey, Sums> = BTreeMap::new();
        let (first, last) = blocks(entered.design, period);
        self.each(
            "SELECT block, arm, name, demand, demand_bytes, requests, origin_bytes, overhead_bytes,
                    aborted, failed
             FROM unit JOIN subject ON subject.id = unit.subject
             WHERE experiment = ?1 AND block BETWEEN ?2 AND ?3",
            &[entered.id, first, last],
            |row| {
                let Some(arm) = arm(row, 1)? else { return Ok(()) };
                let key = (number(row, 0)?, arm, row.get(2)?);
                units.entry(key).or_default().add(&sums(row, 3)?);
                Ok(())
            },
        )?;
        Ok(units)
    }

    /// Origin bytes and pages of each bucket in experiments that were over when this one began. Those assigned
    /// by another salt, so they say what a bucket's visitors are like, and nothing of its arm.
    fn former_buckets(&self, entered: &Entered) -> Result<HashMap<String, Sums>, ArchiveError> {
        let mut former: HashMap<String, Sums> = HashMap::new();
        let last = stored(entered.design.block(entered.began).0);
        self.each(
            "SELECT name, sum(demand), sum(demand_bytes), sum(requests), sum(origin_bytes),
                    sum(overhead_bytes), sum(aborted), sum(failed)
             FROM unit JOIN subject ON subject.id = unit.subject
                       JOIN experiment ON experiment.id = unit.experiment
             WHERE unit.experiment != ?1 AND block < ?2 AND design LIKE '%visitors%'
                   AND experiment.design = (SELECT design FROM experiment WHERE id = ?1)
             GROUP BY name",
            &[entered.id, last],
            |row| {
                former.entry(row.get(0)?).or_default().add(&sums(row, 1)?);
                Ok(())
            },
        )?;
        Ok(former)
    }

    fn assigned(&self, entered: &Entered, period: Period) -> Result<[u64; 3], ArchiveError> {
        // Servers of one site share the same assets: the greatest count of a block is the right one.
        let mut most: HashMap<(u64, Arm), u64> = HashMap::new();
        let (first, last) = blocks(entered.design, period);
        self.each(
            "SELECT block, arm, units FROM assigned WHERE experiment = ?1 AND block BETWEEN ?2 AND ?3",
            &[entered.id, first, last],
            |row| {
                let Some(arm) = arm(row, 1)? else { return Ok(()) };
                let most = most.entry((number(row, 0)?, arm)).or_default();
                *most = (*most).max(number(row, 2)?);
                Ok(())
            },
        )?;
        let mut assigned = [0_u64; 3];
        for ((_, arm), units) in most {
            if let Some(sum) = assigned.get_mut(arm as usize) {
                *sum = sum.saturating_add(units);
            }
        }
        Ok(assigned)
    }

    fn slots(&self, period: Period, began: u64) -> Result<Vec<Slot>, ArchiveError> {
        let mut slots: BTreeMap<u64, Traffic> = BTreeMap::new();
        let first = stored(period.from.unwrap_or(0).max(began) / SLOT);
        let last = period.until.map_or(i64::MAX, |until| stored(until.saturating_sub(1) / SLOT));
        self.each("SELECT * FROM slot WHERE number BETWEEN ?1 AND ?2", &[first, last], |row| {
            slots.entry(number(row, 0)?).or_default().add(&Traffic {
                other_bytes: number(row, 1)?,
                unshared_bytes: number(row, 2)?,
                shared_bytes: number(row, 3)?,
                treated_bytes: number(row, 4)?,
                overhead_bytes: number(row, 5)?,
                pages: number(row, 6)?,
                asset_requests: number(row, 7)?,
                bot_requests: number(row, 8)?,
                bot_bytes: number(row, 9)?,
            });
            Ok(())
        })?;
        Ok(slots.into_iter().map(|(number, traffic)| Slot { number, traffic }).collect())
    }

    fn claims(&self, entered: &Entered, period: Period) -> Result<[Claims; 3], ArchiveError> {
        let mut claims = [Claims::default(); 3];
        let (first, last) = blocks(entered.design, period);
        self.each(
            "SELECT arm, tokens, reports, peer, origin, mirror, wasted, uploaded, stalls, completed, fallbacks
             FROM claim WHERE experiment = ?1 AND block BETWEEN ?2 AND ?3",
            &[entered.id, first, last],
            |row| {
                let Some(arm) = arm(row, 0)? else { return Ok(()) };
                let more = Claims {
                    tokens: number(row, 1)?,
                    reports: number(row, 2)?,
                    peer_bytes: number(row, 3)?,
                    origin_bytes: number(row, 4)?,
                    mirror_bytes: number(row, 5)?,
                    wasted_bytes: number(row, 6)?,
                    uploaded_bytes: number(row, 7)?,
                    stalls: number(row, 8)?,
                    completed: number(row, 9)?,
                    fallbacks: number(row, 10)?,
                };
                if let Some(claims) = claims.get_mut(arm as usize) {
                    claims.add(&more);
                }
                Ok(())
            },
        )?;
        Ok(claims)
    }

    fn latencies(&self, entered: &Entered, period: Period) -> Result<Vec<Latency>, ArchiveError> {
        let mut times: BTreeMap<(Arm, usize, usize, u64), Histogram> = BTreeMap::new();
        let (first, last) = blocks(entered.design, period);
        self.each(
            "SELECT block, arm, metric, class, cluster, bin, count FROM latency
             WHERE experiment = ?1 AND block BETWEEN ?2 AND ?3",
            &[entered.id, first, last],
            |row| {
                let Some(arm) = arm(row, 1)? else { return Ok(()) };
                let [metric, class, bin] = [index(row, 2)?, index(row, 3)?, index(row, 5)?];
                let cluster = number(row, 0)?.wrapping_mul(64).wrapping_add(number(row, 4)?);
                let histogram = times.entry((arm, metric, class, cluster)).or_default();
                if let Some(bin) = histogram.0.get_mut(bin) {
                    *bin = bin.saturating_add(number(row, 6)?);
                }
                Ok(())
            },
        )?;
        let latency = |((arm, metric, class, cluster), times)| {
            let (metric, class) = (*Metric::ALL.get(metric)?, *SizeClass::ALL.get(class)?);
            Some(Latency { arm, metric, class, cluster, times })
        };
        Ok(times.into_iter().filter_map(latency).collect())
    }

    fn each(
        &self,
        text: &str,
        numbers: &[i64],
        mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), ArchiveError> {
        for database in &self.databases {
            database.each(text, numbers, &mut take).map_err(|source| database.broken(source))?;
        }
        Ok(())
    }
}

impl Database {
    fn each(
        &self,
        text: &str,
        numbers: &[i64],
        take: &mut dyn FnMut(&Row<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(text)?;
        let mut rows = statement.query(rusqlite::params_from_iter(numbers))?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
        Ok(())
    }

    fn entered(&self, id: Option<i64>) -> Result<Option<Entered>, ArchiveError> {
        let mut found = None;
        self.each(
            "SELECT id, design, began, planned_days, buckets FROM experiment
             WHERE ?1 < 0 OR id = ?1 ORDER BY used DESC, began DESC LIMIT 1",
            &[id.unwrap_or(-1)],
            &mut |row| {
                let (design, buckets): (String, String) = (row.get(1)?, row.get(4)?);
                let read = |error: serde_json::Error| {
                    let text = rusqlite::types::Type::Text;
                    rusqlite::Error::FromSqlConversionFailure(1, text, Box::new(error))
                };
                found = Some(Entered {
                    id: row.get(0)?,
                    design: serde_json::from_str(&design).map_err(read)?,
                    began: number(row, 2)?,
                    planned_days: row.get(3)?,
                    buckets: serde_json::from_str(&buckets).map_err(read)?,
                });
                Ok(())
            },
        )
        .map_err(|source| self.broken(source))?;
        Ok(found)
    }

    fn broken(&self, source: rusqlite::Error) -> ArchiveError {
        ArchiveError::Database { file: file_of(&self.dir), source }
    }
}

fn file_of(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// The first and the last block of a period.
fn blocks(design: Design, period: Period) -> (i64, i64) {
    let block = |at: u64| stored(design.block(at).0);
    let first = period.from.map_or(0, block);
    (first, period.until.map_or(i64::MAX, |until| block(until.saturating_sub(1))))
}

/// All that lies before a period.
fn before(period: Period) -> Period {
    Period { from: None, until: Some(period.from.unwrap_or(0)) }
}

/// A unit a row, each with what its asset was like in the blocks before: those were assigned without regard
/// to this one.
fn crossover_units(earlier: &BTreeMap<UnitKey, Sums>, units: BTreeMap<UnitKey, Sums>) -> Vec<Unit> {
    let mut keys: HashMap<String, u64> = HashMap::new();
    let mut past: HashMap<u64, (u64, u64)> = HashMap::new();
    let mut key_of = |name: &String| {
        let next = keys.len() as u64;
        *keys.entry(name.clone()).or_insert(next)
    };
    for ((_, _, name), sums) in earlier {
        let past = past.entry(key_of(name)).or_default();
        *past = (past.0 + sums.origin_bytes, past.1 + sums.demand_bytes);
    }
    let rows = units.into_iter().map(|((block, arm, name), sums)| {
        let key = key_of(&name);
        let (bytes, demand) = past.entry(key).or_default();
        let before = (*demand > 0).then(|| *bytes as f64 / *demand as f64);
        *bytes = bytes.saturating_add(sums.origin_bytes);
        *demand = demand.saturating_add(sums.demand_bytes);
        Unit { arm, block: Block(block), key, sums, before }
    });
    rows.collect()
}

/// A bucket and block a row: buckets are added up where they are compared, blocks make the series.
fn visitor_units(former: &HashMap<String, Sums>, units: BTreeMap<UnitKey, Sums>) -> Vec<Unit> {
    let rows = units.into_iter().filter_map(|((block, arm, name), sums)| {
        let key = name.parse().ok()?;
        let former = former.get(&name).filter(|former| former.demand > 0);
        let before = former.map(|former| former.origin_bytes as f64 / former.demand as f64);
        Some(Unit { arm, block: Block(block), key, sums, before })
    });
    rows.collect()
}

fn sums(row: &Row<'_>, at: usize) -> rusqlite::Result<Sums> {
    Ok(Sums {
        demand: number(row, at)?,
        demand_bytes: number(row, at + 1)?,
        requests: number(row, at + 2)?,
        origin_bytes: number(row, at + 3)?,
        overhead_bytes: number(row, at + 4)?,
        aborted: number(row, at + 5)?,
        failed: number(row, at + 6)?,
    })
}

fn arm(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Arm>> {
    Ok(Arm::ALL.get(index(row, at)?).copied())
}

fn index(row: &Row<'_>, at: usize) -> rusqlite::Result<usize> {
    row.get::<_, u32>(at).map(|index| index as usize)
}

/// Sums are never negative.
fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::unsigned_abs)
}
