//! One suite over all transports: what the peer wire may rely on, whatever carries it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod transports;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use manyhands_peer::transport::limits::Limits;
use manyhands_peer::transport::webrtc::Config;
use manyhands_peer::transport::{Channel, MAX_CHUNK, Transport, TransportError};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use transports::{Kind, Pair, connect_rtc, descriptors, loopback, rtc, until};

/// Long enough for a busy machine: a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends `total` bytes of a seeded stream in chunks of odd sizes, and gives their digest.
async fn pump(channel: Arc<dyn Channel>, seed: u64, total: usize) -> [u8; 32] {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut hash = Sha256::new();
    let mut left = total;
    while left > 0 {
        let mut chunk = vec![0; rng.random_range(1..100_000).min(left)];
        rng.fill(&mut chunk[..]);
        hash.update(&chunk);
        left -= chunk.len();
        channel.send(chunk.into()).await.unwrap();
    }
    hash.finalize().into()
}

/// Receives `total` bytes and gives their digest.
async fn drain(channel: &dyn Channel, total: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut left = total;
    while left > 0 {
        let chunk = channel.recv().await.expect("closed too early");
        assert!(!chunk.is_empty() && chunk.len() <= MAX_CHUNK);
        hash.update(&chunk);
        left -= chunk.len();
    }
    hash.finalize().into()
}

async fn both_ways(pair: &Pair, total: usize) {
    let forth = tokio::spawn(pump(pair.left.clone(), 1, total));
    let back = tokio::spawn(pump(pair.right.clone(), 2, total));
    let (at_right, at_left) =
        tokio::join!(drain(pair.right.as_ref(), total), drain(pair.left.as_ref(), total));
    assert_eq!(forth.await.unwrap(), at_right);
    assert_eq!(back.await.unwrap(), at_left);
    for channel in [&pair.left, &pair.right] {
        assert_eq!(channel.stats().sent, total as u64);
        assert_eq!(channel.stats().received, total as u64);
    }
}

/// A reader that does not read holds the sender; all arrives when it does.
async fn slow_reader(pair: &Pair, bound: u64) {
    let total = 48 << 20;
    let sender = tokio::spawn(pump(pair.left.clone(), 3, total));
    // The sender has stopped when it has sent no more for a while.
    let mut last = u64::MAX;
    while last != pair.left.stats().sent {
        last = pair.left.stats().sent;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(last > 0 && last <= bound, "{last} bytes got rid of");
    let received = drain(pair.right.as_ref(), total).await;
    assert_eq!(sender.await.unwrap(), received);
}

/// Closed by one side: the other is told, and a sender that waits is, too.
async fn close(pair: &Pair) {
    pair.right.send(Bytes::from_static(b"ready")).await.unwrap();
    assert_eq!(pair.left.recv().await.unwrap(), "ready");
    let left = pair.left.clone();
    let stuck = tokio::spawn(async move {
        while left.send(vec![0; MAX_CHUNK].into()).await.is_ok() {}
        assert_eq!(left.recv().await, None);
    });
    let mut arrived = 0;
    while arrived < MAX_CHUNK {
        arrived += pair.right.recv().await.unwrap().len();
    }
    pair.right.close().await;
    timeout(PATIENCE, stuck).await.expect("not told").unwrap();
    pair.right.close().await;
    assert!(pair.right.send(Bytes::from_static(b"x")).await.is_err());
    while pair.right.recv().await.is_some() {}
    assert_eq!(pair.right.recv().await, None);
}

macro_rules! conformance {
    ($($name:ident: $kind:expr, $buffers:expr;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn bytes_arrive_in_order_both_ways() {
                both_ways(&$kind.pair().await, 8 << 20).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_slow_reader_holds_the_sender_and_loses_nothing() {
                timeout(PATIENCE, slow_reader(&$kind.pair().await, $buffers)).await.unwrap();
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn either_side_closes() {
                close(&$kind.pair().await).await;
                close(&$kind.pair().await.turned()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn dropping_a_channel_closes_it() {
                let Pair { left, right, .. } = $kind.pair().await;
                drop(left);
                assert_eq!(timeout(PATIENCE, right.recv()).await.expect("not told"), None);
            }
        }
    )*};
}

conformance! {
    memory: Kind::Memory, 1 << 20;
    tcp: Kind::Tcp, 24 << 20;
    webrtc: Kind::WebRtc, 24 << 20;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_opened_and_closed_leaves_nothing_behind() {
    let (server, client) = (rtc(loopback()), rtc(loopback().with_own_ports(true)));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // The first connection sets up what stays.
    drop(connect_rtc(&client, &server).await);
    until("the first is gone", || server.connections() + client.connections() == 0).await;
    let before = (tasks(), descriptors());
    for round in 0..6 {
        let pair = connect_rtc(&client, &server).await;
        match round % 3 {
            0 => pair.0.close().await,
            1 => pair.1.close().await,
            _ => {}
        }
        drop(pair);
        // Begun and given up: an offer, and an answer whose other side never comes.
        let offer = client.offer().await.unwrap();
        let (_, opening) = server.answer(offer.sdp()).await.unwrap();
        drop((offer, opening));
    }
    until("places are given back", || server.connections() + client.connections() == 0).await;
    until("tasks and descriptors are back", || (tasks(), descriptors()) == before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold() {
    let limits = Limits::default().with_connections(4).with_per_address(1).with_offers(2);
    let client = rtc(loopback().with_own_ports(true));
    let server = rtc(loopback().with_limits(limits));
    let first = connect_rtc(&client, &server).await;
    let offer = client.offer().await.unwrap();
    let (answer, opening) = server.answer(offer.sdp()).await.unwrap();
    let (_, refused) = tokio::join!(offer.complete(answer), opening);
    assert!(matches!(refused, Err(TransportError::Busy(_))), "a second from one address");
    let offers = (server.offer().await.unwrap(), server.offer().await.unwrap());
    assert!(matches!(server.offer().await, Err(TransportError::Busy(_))), "a third offer");
    drop((offers, first));
    until("places are given back", || server.connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_nobody_answers_ends_by_itself() {
    let limits = Limits::default().with_offer_age(Duration::from_millis(200));
    let transport = rtc(loopback().with_limits(limits));
    let offer = transport.offer().await.unwrap();
    until("the offer is gone", || transport.connections() == 0).await;
    drop(offer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_whose_other_side_never_comes_ends_by_its_deadline() {
    let limits = Limits::default().with_open(Duration::from_millis(300));
    let (client, server) = (rtc(loopback()), rtc(loopback().with_limits(limits)));
    let offer = client.offer().await.unwrap();
    let (_, opening) = server.answer(offer.sdp()).await.unwrap();
    assert!(matches!(opening.await, Err(TransportError::Deadline(_))));
    until("the place is given back", || server.connections() == 0).await;
}

/// Junk, and STUN that nobody asked for, is not answered and harms no one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_on_the_port_harms_no_one() {
    let (server, client) = (rtc(loopback()), rtc(loopback().with_own_ports(true)));
    let (left, right) = connect_rtc(&client, &server).await;
    let port = server.local_address().unwrap();
    let offer = server.offer().await.unwrap();
    let ufrag = offer.sdp().lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..20_000 {
        socket.send_to(&transports::junk(&mut rng, ufrag), port).await.unwrap();
    }
    let pair = Pair { left, right, keep: vec![] };
    both_ways(&pair, 1 << 20).await;
    assert!(server.dropped() > 0);
    let mut answer = [0; 2048];
    assert!(socket.try_recv_from(&mut answer).is_err(), "junk was answered");
}

/// Descriptions cut, spliced and garbled: an error or a connection that ends, never a panic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_descriptions_are_refused() {
    let limits = Limits::default().with_open(Duration::from_millis(50));
    let (client, server) = (rtc(loopback()), rtc(loopback().with_limits(limits)));
    let offer = client.offer().await.unwrap();
    let mut rng = StdRng::seed_from_u64(11);
    for _ in 0..200 {
        let mangled = transports::mangle(&mut rng, offer.sdp());
        if let Ok((_, opening)) = server.answer(&mangled).await {
            assert!(opening.await.is_err(), "nobody was there: {mangled}");
        }
        let mangled = transports::mangle(&mut rng, offer.sdp());
        assert!(server.offer().await.unwrap().complete(mangled).await.is_err());
    }
    drop(offer);
    until("places are given back", || server.connections() == 0).await;
    drop(connect_rtc(&rtc(loopback().with_own_ports(true)), &rtc(loopback())).await);
}

/// 200 connections on one port, open and idle: what each costs both ends together is printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "large: 200 connections"]
async fn two_hundred_connections_share_a_port() {
    let limits = || Limits::default().with_per_address(1000);
    let server = rtc(loopback().with_limits(limits()));
    let client = rtc(loopback().with_limits(limits()).with_own_ports(true));
    drop(connect_rtc(&client, &server).await);
    let before = transports::resident();
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(connect_rtc(&client, &server).await);
    }
    let each = (transports::resident() - before) / 400;
    println!("{each} KiB an idle connection, one end");
    assert!(each <= 320, "{each} KiB an idle connection, one end");
    for (left, right) in &open {
        left.send(Bytes::from_static(b"still here")).await.unwrap();
        assert_eq!(right.recv().await.unwrap(), "still here");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "large: 2 GiB through one channel"]
async fn two_gibibytes_through_one_channel_grow_nothing() {
    let pair = Kind::WebRtc.pair().await;
    both_ways(&pair, 16 << 20).await;
    let before = transports::resident();
    let total = 2 << 30;
    let sender = tokio::spawn(pump(pair.left.clone(), 5, total));
    let received = drain(pair.right.as_ref(), total).await;
    assert_eq!(sender.await.unwrap(), received);
    let grown = transports::resident().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more than before");
}

/// The settings a volunteer has: private and loopback addresses of a stranger are not tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_a_stranger_cannot_point_at_our_network() {
    let limits = Limits::default().with_open(Duration::from_millis(500));
    let server = rtc(Config::new("127.0.0.1:0".parse().unwrap()).with_limits(limits));
    let witness = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let offer =
        rtc(loopback().with_advertise(vec![witness.local_addr().unwrap()])).offer().await.unwrap();
    let (_, opening) = server.answer(offer.sdp()).await.unwrap();
    assert!(opening.await.is_err());
    assert!(witness.try_recv(&mut [0; 2048]).is_err(), "a packet went to a loopback address");
}
