//! Access logs.

use std::net::IpAddr;

use manyhands_experiment::audience::{
    Answer, Assumptions, Left, LineParser, Lines, Mirrors, Replay, Rules,
};

/// Shares everything.
struct All;

impl Rules for All {
    fn judge(&mut self, answer: &Answer<'_>) -> Result<Box<str>, Left> {
        Ok(answer.target.into())
    }

    fn weigh(&self, _length: u64) -> Result<(), Left> {
        Ok(())
    }

    fn prefix(&self, address: IpAddr) -> u64 {
        u64::from(address.is_ipv4())
    }
}

/// Wherever chunks end, a log has the same lines; whatever they say, no more is saved than was sent.
pub fn access_log(data: &[u8]) {
    let Some((size, log)) = data.split_first() else { return };
    let (mut parser, mut lines) = (LineParser::default(), [Vec::new(), Vec::new()]);
    for (out, size) in lines.iter_mut().zip([usize::from(*size) + 1, log.len().max(1)]) {
        let mut splitter = Lines::default();
        log.chunks(size).for_each(|chunk| splitter.push(chunk, |line| out.push(line.to_vec())));
        splitter.finish(|line| out.push(line.to_vec()));
    }
    assert_eq!(lines[0], lines[1]);
    let mut replay = Replay::new(All, Assumptions::default(), Mirrors::default());
    let read = lines[0].iter().filter_map(|line| parser.parse(line).ok());
    read.for_each(|entry| replay.accept(&entry));
    let forecast = replay.finish(3);
    let saved = forecast.sharing.iter().map(|sharing| sharing.saved.high).max();
    assert!(saved <= Some(forecast.log.octets));
}
