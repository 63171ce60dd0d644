//! What the hashes of a file cost: `bench-hashing FILE [ROUNDS]`. Prints decimal megabytes a CPU second, the median of interleaved rounds, reading
//! included: the `Hasher` with its three hashes, then the `sha1` and `sha2` crates by themselves.

mod clock;

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read};

use manyhands_metainfo::Hasher;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// As the server's hash workers read.
const CHUNK: usize = 256 << 10;

type Measure = fn(&mut File, u64) -> Result<(), Box<dyn Error>>;

const MEASURES: [(&str, Measure); 4] = [
    ("hasher", |file, length| {
        let (mut hasher, mut digests) = (Hasher::new(length, 0), Vec::new());
        each_chunk(file, |chunk| Ok(hasher.update(chunk, &mut digests)?))?;
        black_box(hasher.finish()?);
        Ok(())
    }),
    ("sha1", |file, _| {
        let mut sha1 = Sha1::new();
        each_chunk(file, |chunk| {
            sha1.update(chunk);
            Ok(())
        })?;
        black_box(sha1.finalize());
        Ok(())
    }),
    ("sha2", |file, _| {
        let mut sha2 = Sha256::new();
        each_chunk(file, |chunk| {
            sha2.update(chunk);
            Ok(())
        })?;
        black_box(sha2.finalize());
        Ok(())
    }),
    ("sha1_sha2_sha2", |file, _| {
        let (mut sha1, mut one, mut other) = (Sha1::new(), Sha256::new(), Sha256::new());
        each_chunk(file, |chunk| {
            sha1.update(chunk);
            one.update(chunk);
            other.update(chunk);
            Ok(())
        })?;
        black_box((sha1.finalize(), one.finalize(), other.finalize()));
        Ok(())
    }),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: bench-hashing FILE [ROUNDS]")?;
    let rounds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let length = std::fs::metadata(&path)?.len();
    let mut speeds = MEASURES.map(|_| Vec::new());
    for _ in 0..rounds {
        for ((_, measure), speeds) in MEASURES.iter().zip(&mut speeds) {
            let mut file = File::open(&path)?;
            let (result, time) = clock::cpu_time(|| measure(&mut file, length));
            result?;
            speeds.push(length as f64 / 1e6 / time.as_secs_f64());
        }
    }
    for ((name, _), speeds) in MEASURES.iter().zip(speeds) {
        println!("{name} {:.0}", clock::median(speeds));
    }
    Ok(())
}

fn each_chunk(
    file: &mut File,
    mut take: impl FnMut(&[u8]) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => take(buffer.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
