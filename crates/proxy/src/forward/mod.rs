//! What may cross the proxy, in both directions (RFC 9110 7.6, RFC 9112 3.2 and 6). Pure functions
//! over heads: no sockets here.

mod chain;
mod hop;
mod request;
mod response;

pub(crate) use request::{Refusal, Rules, is_forbidden_trailer, request};
pub(crate) use response::{Broken, response};
