use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body::Body;
use manyhands_page::{
    AssetOffer, Decision, RequestHead, ResponseHead, asset_edits, duplicate_edits, plan,
};
use manyhands_server::{AwaitedBody, Client, Engine, LocalFile, Offered, Ours};
use pin_project_lite::pin_project;

use crate::ManyhandsBody;

pin_project! {
    /// The answer of [`crate::Manyhands`].
    #[derive(Debug)]
    pub struct ResponseFuture<F, Q> {
        #[pin]
        kind: Inner<F, Q>,
    }
}

pin_project! {
    #[project = InnerKind]
    #[derive(Debug)]
    enum Inner<F, Q> {
        Ours { ours: Option<Ours> },
        Awaited { #[pin] body: Q, read: Vec<u8>, awaited: Option<AwaitedBody> },
        Site { #[pin] future: F, engine: Engine, asked: Asked },
    }
}

/// The request as it came in, kept while the inner service works on it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) client: Client,
}

impl<F, Q> ResponseFuture<F, Q> {
    pub(crate) fn ours(ours: Ours) -> Self {
        Self { kind: Inner::Ours { ours: Some(ours) } }
    }

    pub(crate) fn awaited(awaited: AwaitedBody, body: Q) -> Self {
        Self { kind: Inner::Awaited { body, read: Vec::new(), awaited: Some(awaited) } }
    }

    pub(crate) fn site(future: F, engine: Engine, asked: Asked) -> Self {
        Self { kind: Inner::Site { future, engine, asked } }
    }
}

impl<F, Q, B, E> Future for ResponseFuture<F, Q>
where
    F: Future<Output = Result<Response<B>, E>>,
    Q: Body,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ManyhandsBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            InnerKind::Ours { ours } => {
                let ours = ours.take().expect("a future is not polled after it was ready");
                Poll::Ready(Ok(ManyhandsBody::ours(ours)))
            }
            InnerKind::Awaited { body, read, awaited } => {
                let most = awaited.as_ref().map_or(0, AwaitedBody::most);
                ready!(poll_read(body, read, most, cx));
                let awaited = awaited.take().expect("a future is not polled after it was ready");
                Poll::Ready(Ok(ManyhandsBody::ours(awaited.answer(read))))
            }
            InnerKind::Site { future, engine, asked } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(answer(engine, asked, response)))
            }
        }
    }
}

/// Reads a body until it ends, breaks off, or is longer than `most`. One that broke off is simply too short.
fn poll_read<Q: Body>(
    mut body: Pin<&mut Q>,
    read: &mut Vec<u8>,
    most: usize,
    cx: &mut Context<'_>,
) -> Poll<()> {
    while read.len() <= most {
        let Some(Ok(frame)) = ready!(body.as_mut().poll_frame(cx)) else { break };
        if let Ok(mut data) = frame.into_data() {
            let room = data.remaining().min(most + 1 - read.len());
            read.extend_from_slice(&data.copy_to_bytes(room));
        }
    }
    Poll::Ready(())
}

/// Carries out what `page` decided on the site's answer; where the site has nothing, there may be
/// metainfo of ours.
fn answer<B: Body<Data = Bytes>>(
    engine: &Engine,
    asked: &Asked,
    mut response: Response<B>,
) -> Response<ManyhandsBody<B>> {
    if response.status() == StatusCode::NOT_FOUND
        && let Some(ours) = engine.beside(&asked.method, &asked.uri, &asked.headers, &asked.client)
    {
        return ManyhandsBody::ours(ours);
    }
    let visitor = engine.visitor(&asked.headers, &asked.client);
    if response.status().is_server_error() {
        engine.failed(asked.uri.path(), &visitor);
    }
    let request = RequestHead {
        method: asked.method.as_str(),
        path: asked.uri.path(),
        query: asked.uri.query(),
        headers: &asked.headers,
    };
    let file = response.extensions().get::<LocalFile>().cloned();
    let head = ResponseHead { status: response.status().as_u16(), headers: response.headers() };
    let plan = plan(&request, &head, engine.policy(), file.is_some());
    plan.edits.apply(response.headers_mut());
    match plan.decision {
        Decision::Page(rewrite) => {
            let meter = engine.meter_page(visitor);
            response.map(|body| ManyhandsBody::page(body, &rewrite, engine.clone(), meter))
        }
        Decision::Asset(offer) => {
            let offered = engine.observe(&offer, file.as_ref(), &asked.client, visitor);
            asset(engine, &offer, offered, response)
        }
        Decision::PassThrough(reason) => {
            engine.passed(reason, plan.doubt.as_ref());
            let meter = engine.meter_other(visitor);
            match plan.restore {
                Some(restore) => {
                    restore.edits.apply(response.headers_mut());
                    if asked.method == Method::HEAD {
                        return response.map(|body| ManyhandsBody::site(body, meter));
                    }
                    response.map(|body| ManyhandsBody::coded(body, restore.coding, meter))
                }
                None => response.map(|body| ManyhandsBody::site(body, meter)),
            }
        }
    }
}

fn asset<B: Body<Data = Bytes>>(
    engine: &Engine,
    offer: &AssetOffer,
    offered: Offered,
    mut response: Response<B>,
) -> Response<ManyhandsBody<B>> {
    let Offered { sha256, duplicates, tee, mut meter } = offered;
    let length = response.headers().get(CONTENT_LENGTH);
    if let Some(length) = length.and_then(|length| length.to_str().ok()?.parse().ok()) {
        meter.expect(length);
    }
    if let Some(sha256) = &sha256 {
        let edits = asset_edits(&offer.path, sha256, engine.policy().prefix());
        edits.apply(response.headers_mut());
        duplicate_edits(&duplicates).apply(response.headers_mut());
    }
    response.map(|body| match tee {
        Some(tee) => ManyhandsBody::teed(body, tee, meter),
        None => ManyhandsBody::site(body, meter),
    })
}
