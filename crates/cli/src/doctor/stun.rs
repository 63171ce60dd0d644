//! STUN (RFC 8489): tells visitors behind home routers the address they have outside.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::connect::is_public;
use super::fetch::Client;
use super::presence::Presence;
use super::report::{Report, Section};
use super::target::Target;

/// UDP is lost now and then.
const TRIES: u32 = 3;
const WAIT: Duration = Duration::from_secs(1);
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

pub(crate) async fn look(
    client: &Client,
    target: &Target,
    presence: &Presence,
    report: &mut Report,
) {
    let Some(url) = presence.site.stun.first() else {
        let addresses = client.addresses(target).await.unwrap_or_default();
        if addresses.iter().any(|address| is_public(address.ip())) {
            report.warn(
                Section::Peers,
                "stun",
                "no_stun",
                "no STUN: two visitors behind two home routers cannot meet",
                "set [stun] host to the public name of this machine, and open its UDP port",
            );
        } else {
            report.skip(
                Section::Peers,
                "stun",
                "not configured; within one network it is not needed",
            );
        }
        return;
    };
    match asked(url).await {
        Ok(mapped) => report.ok(
            Section::Peers,
            "stun",
            format!("{url} answers: from there this machine is {}", mapped.ip()),
        ),
        Err(says) => report.refuse(
            Section::Peers,
            "stun",
            "stun_silent",
            format!("{url}: {says}"),
            "open that UDP port in the firewall, and let [stun] host name this machine itself, not a proxy \
             or delivery network in front",
        ),
    }
}

/// One binding (RFC 8489): the address this machine has as seen from there.
async fn asked(url: &str) -> Result<SocketAddr, String> {
    let host = url.strip_prefix("stun:").ok_or("not a stun: URL")?;
    let mut found = tokio::net::lookup_host(host).await.map_err(|error| error.to_string())?;
    let address = found.next().ok_or("the name has no address")?;
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(own).await.map_err(|error| error.to_string())?;
    socket.connect(address).await.map_err(|error| error.to_string())?;
    let request = binding_request();
    let mut last = format!("no answer within {} s", TRIES);
    for _ in 0..TRIES {
        let mut response = [0; 548];
        let asking = async {
            socket.send(&request).await?;
            socket.recv(&mut response).await
        };
        match tokio::time::timeout(WAIT, asking).await {
            Ok(Ok(length)) => {
                let response = response.get(..length).unwrap_or_default();
                return mapped_address(&request, response)
                    .ok_or("the answer is no STUN".to_owned());
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => {}
        }
    }
    Err(last)
}

fn binding_request() -> [u8; 20] {
    let mut request = [0; 20];
    request[..8].copy_from_slice(&[0, 1, 0, 0, COOKIE[0], COOKIE[1], COOKIE[2], COOKIE[3]]);
    // Only tells this answer from others; nothing rests on nobody guessing it.
    let random = [RandomState::new().hash_one(0), RandomState::new().hash_one(1)];
    let random = random.iter().flat_map(|word| word.to_be_bytes());
    for (byte, random) in request[8..].iter_mut().zip(random) {
        *byte = random;
    }
    request
}

/// XOR-MAPPED-ADDRESS of a success to this very request (RFC 8489, section 14.2).
fn mapped_address(request: &[u8; 20], response: &[u8]) -> Option<SocketAddr> {
    let (head, mut attributes) = response.split_at_checked(20)?;
    if head.get(..2)? != [1, 1] || head.get(4..)? != &request[4..] {
        return None;
    }
    loop {
        let (kind, rest) = attributes.split_at_checked(4)?;
        let &[a, b, c, d] = kind else { return None };
        let length = usize::from(u16::from_be_bytes([c, d]));
        let value = rest.get(..length)?;
        if [a, b] == [0, 0x20] {
            return unmasked(value, request);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn unmasked(value: &[u8], request: &[u8; 20]) -> Option<SocketAddr> {
    let (&[_, family, high, low], address) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([high ^ COOKIE[0], low ^ COOKIE[1]]);
    // The mask is the cookie and the transaction id, as they stand in the request.
    let mut bytes = address.iter().zip(&request[4..]).map(|(byte, mask)| byte ^ mask);
    match (family, address.len()) {
        (1, 4) => {
            let bytes: [u8; 4] = std::array::from_fn(|_| bytes.next().unwrap_or_default());
            Some((bytes, port).into())
        }
        (2, 16) => {
            let bytes: [u8; 16] = std::array::from_fn(|_| bytes.next().unwrap_or_default());
            Some((bytes, port).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use manyhands_protocol::stun::binding_response;

    use super::*;

    #[test]
    fn the_address_is_read_from_what_our_own_server_answers() {
        for from in ["203.0.113.7:4000", "[2001:db8::7]:4001"] {
            let from: SocketAddr = from.parse().unwrap();
            let (request, mut response) = (binding_request(), Vec::new());
            binding_response(&request, from, &mut response).unwrap();
            assert_eq!(mapped_address(&request, &response), Some(from));
            for end in 0..response.len() {
                assert_eq!(mapped_address(&request, &response[..end]), None);
            }
            assert_eq!(mapped_address(&binding_request(), &response), None, "another request's");
        }
    }
}
