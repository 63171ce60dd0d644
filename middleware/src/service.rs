use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::{Extensions, HeaderValue, Request, Response};
use http_body::Body;
use manyhands_page::{RequestHead, request_plan};
use manyhands_server::{Answer, Client, Engine, PeerAddress};
use tower_service::Service;

use crate::ManyhandsBody;
use crate::future::{Asked, ResponseFuture};

/// A service with everything of Manyhands around it. Made by [`crate::ManyhandsLayer`].
#[derive(Debug, Clone)]
pub struct Manyhands<S> {
    inner: S,
    engine: Engine,
}

impl<S> Manyhands<S> {
    pub(crate) fn new(inner: S, engine: Engine) -> Self {
        Self { inner, engine }
    }
}

impl<S, Q, B> Service<Request<Q>> for Manyhands<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    Q: Body,
    B: Body<Data = Bytes>,
{
    type Response = Response<ManyhandsBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, Q>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let client = self.client(&request);
        match self.engine.reserved(&mut request, &client) {
            Some(Answer::Ready(ours)) => return ResponseFuture::ours(ours),
            Some(Answer::Awaited(awaited)) => {
                return ResponseFuture::awaited(awaited, request.into_body());
            }
            None => {}
        }
        let mut asked = Asked {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            client,
        };
        // HTTP/2 names the host in the URI.
        if let Some(authority) = asked.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            asked.headers.entry(HOST).or_insert(host);
        }
        let head = RequestHead {
            method: asked.method.as_str(),
            path: asked.uri.path(),
            query: asked.uri.query(),
            headers: &asked.headers,
        };
        request_plan(&head, self.engine.policy()).edits.apply(request.headers_mut());
        ResponseFuture::site(self.inner.call(request), self.engine.clone(), asked)
    }
}

impl<S> Manyhands<S> {
    fn client<Q>(&self, request: &Request<Q>) -> Client {
        self.engine.client(peer_address(request.extensions()), request.headers())
    }
}

/// The address of the socket, from whichever extension the host sets.
fn peer_address(extensions: &Extensions) -> Option<PeerAddress> {
    let address = extensions.get::<PeerAddress>().copied();
    #[cfg(feature = "axum")]
    let address = address.or_else(|| {
        let info = extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>()?;
        Some(PeerAddress(info.0))
    });
    address
}
