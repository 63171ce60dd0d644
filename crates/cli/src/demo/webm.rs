//! Lengthens a WebM clip by repeating it: the clusters are written again and again with their time
//! stamps moved on, behind an index (Cues), so that players can seek.
//!
//! Of Matroska (RFC 9559) only what such a clip holds is understood: one segment, one video track,
//! every cluster beginning with a key frame, time stamps in milliseconds.

use std::io::{self, Write};

const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_A966;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_AE6B;
const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u32 = 0xE7;
const PREV_SIZE: u32 = 0xAB;
const POSITION: u32 = 0xA7;
const CUES: u32 = 0x1C53_BB6B;
const CUE_POINT: u32 = 0xBB;
const CUE_TIME: u32 = 0xB3;
const CUE_TRACK_POSITIONS: u32 = 0xB7;
const CUE_TRACK: u32 = 0xF7;
const CUE_CLUSTER_POSITION: u32 = 0xF1;

/// A clip taken apart.
pub(crate) struct Clip<'a> {
    header: &'a [u8],
    info: Vec<u8>,
    tracks: &'a [u8],
    clusters: Vec<Cluster<'a>>,
    duration: u64,
}

struct Cluster<'a> {
    timestamp: u64,
    blocks: Vec<&'a [u8]>,
}

/// One element: where it lies whole, and what is in it.
struct Element<'a> {
    id: u32,
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Clip<'a> {
    /// `None` when the bytes are not such a clip.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = element(bytes)?;
        let segment = element(bytes.get(header.whole.len()..)?).filter(|it| it.id == SEGMENT)?;
        let (mut info, mut tracks, mut duration) = (Vec::new(), None, None);
        let mut clusters = Vec::new();
        for child in children(segment.content)? {
            match child.id {
                INFO => {
                    for field in children(child.content)? {
                        if field.id == DURATION {
                            duration = float(field.content);
                        } else {
                            info.extend_from_slice(field.whole);
                        }
                    }
                }
                TRACKS => tracks = Some(child.whole),
                CLUSTER => clusters.push(cluster(child.content)?),
                _ => {}
            }
        }
        let duration = duration.filter(|ms| (1.0..1e9).contains(ms))? as u64;
        Some(Self { header: header.whole, info, tracks: tracks?, clusters, duration })
    }

    /// Writes the clip `times` over.
    pub(crate) fn repeat(&self, times: u64, out: &mut impl Write) -> io::Result<()> {
        let mut info = self.info.clone();
        let duration = (self.duration * times) as f64;
        put(DURATION, &duration.to_be_bytes(), &mut info);
        let mut lead = Vec::new();
        put(INFO, &info, &mut lead);
        lead.extend_from_slice(self.tracks);

        let one: usize = self.clusters.iter().map(|cluster| cluster.write(0).len()).sum();
        let cues = self.cues(times, 0, 0).len();
        let lead_end = (lead.len() + cues) as u64;
        let total = lead_end + one as u64 * times;

        out.write_all(self.header)?;
        out.write_all(&head(SEGMENT, total))?;
        out.write_all(&lead)?;
        out.write_all(&self.cues(times, lead_end, one as u64))?;
        for turn in 0..times {
            for cluster in &self.clusters {
                out.write_all(&cluster.write(turn * self.duration))?;
            }
        }
        Ok(())
    }

    /// The index. All fields have eight bytes, so that its own length does not depend on what is in it.
    fn cues(&self, times: u64, start: u64, one: u64) -> Vec<u8> {
        let mut points = Vec::new();
        for turn in 0..times {
            let mut position = start + turn * one;
            for cluster in &self.clusters {
                let (mut place, mut point) = (Vec::new(), Vec::new());
                put(CUE_TRACK, &[1], &mut place);
                put(CUE_CLUSTER_POSITION, &position.to_be_bytes(), &mut place);
                put(
                    CUE_TIME,
                    &(turn * self.duration + cluster.timestamp).to_be_bytes(),
                    &mut point,
                );
                put(CUE_TRACK_POSITIONS, &place, &mut point);
                put(CUE_POINT, &point, &mut points);
                position += cluster.write(0).len() as u64;
            }
        }
        let mut cues = Vec::new();
        put(CUES, &points, &mut cues);
        cues
    }
}

impl Cluster<'_> {
    fn write(&self, later: u64) -> Vec<u8> {
        let mut content = Vec::new();
        put(TIMESTAMP, &(self.timestamp + later).to_be_bytes(), &mut content);
        for block in &self.blocks {
            content.extend_from_slice(block);
        }
        let mut out = Vec::new();
        put(CLUSTER, &content, &mut out);
        out
    }
}

fn cluster(content: &[u8]) -> Option<Cluster<'_>> {
    let mut cluster = Cluster { timestamp: 0, blocks: Vec::new() };
    for child in children(content)? {
        match child.id {
            TIMESTAMP => {
                cluster.timestamp =
                    child.content.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            }
            PREV_SIZE | POSITION => {}
            _ => cluster.blocks.push(child.whole),
        }
    }
    Some(cluster)
}

fn float(content: &[u8]) -> Option<f64> {
    match content.len() {
        4 => Some(f64::from(f32::from_be_bytes(content.try_into().ok()?))),
        8 => Some(f64::from_be_bytes(content.try_into().ok()?)),
        _ => None,
    }
}

fn children(mut content: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let child = element(content)?;
        content = content.get(child.whole.len()..)?;
        found.push(child);
    }
    Some(found)
}

fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let id_length = bytes.first()?.leading_zeros() as usize + 1;
    let id = bytes.get(..id_length).filter(|id| id.len() <= 4)?;
    let id = id.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    let rest = bytes.get(id_length..)?;
    let size_length = rest.first()?.leading_zeros() as usize + 1;
    let size = rest.get(..size_length).filter(|size| size.len() <= 8)?;
    let size = size.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let size = usize::try_from(size & !(1 << (7 * size_length))).ok()?;
    let start = id_length + size_length;
    let whole = bytes.get(..start.checked_add(size)?)?;
    Some(Element { id, whole, content: whole.get(start..)? })
}

fn head(id: u32, size: u64) -> Vec<u8> {
    let mut out: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    out.extend_from_slice(&(size | 1 << 56).to_be_bytes());
    out
}

fn put(id: u32, content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&head(id, content.len() as u64));
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIP: &[u8] = include_bytes!("../../demo/clip.webm");

    #[test]
    fn the_repeated_clip_is_a_clip_with_time_stamps_that_go_on() {
        let clip = Clip::parse(CLIP).unwrap();
        let mut long = Vec::new();
        clip.repeat(3, &mut long).unwrap();
        let long = Clip::parse(&long).unwrap();
        assert_eq!(long.duration, 3 * clip.duration);
        assert_eq!(long.clusters.len(), 3 * clip.clusters.len());
        assert!(long.clusters.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp));
        let blocks = |clip: &Clip<'_>| clip.clusters.iter().map(|c| c.blocks.len()).sum::<usize>();
        assert_eq!(blocks(&long), 3 * blocks(&clip));
    }

    #[test]
    fn cues_point_at_clusters() {
        let clip = Clip::parse(CLIP).unwrap();
        let mut long = Vec::new();
        clip.repeat(2, &mut long).unwrap();
        let header = element(&long).unwrap().whole.len();
        let segment = element(&long[header..]).unwrap().content;
        let cues = children(segment).unwrap().into_iter().find(|child| child.id == CUES).unwrap();
        for point in children(cues.content).unwrap() {
            let fields = children(point.content).unwrap();
            let place = children(fields[1].content).unwrap();
            let position = u64::from_be_bytes(place[1].content.try_into().unwrap());
            let found = element(&segment[usize::try_from(position).unwrap()..]).unwrap();
            assert_eq!(found.id, CLUSTER);
            let time = u64::from_be_bytes(fields[0].content.try_into().unwrap());
            assert_eq!(cluster(found.content).unwrap().timestamp, time);
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for end in [0, 1, 10, 100, CLIP.len() - 1] {
            assert!(Clip::parse(&CLIP[..end]).is_none());
        }
    }
}
