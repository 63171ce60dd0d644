use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_body::Body;
use manyhands_page::{AssetOffer, Decision, RequestHead, ResponseHead, asset_edits, plan};
use manyhands_server::{Client, Engine, LocalFile};
use pin_project_lite::pin_project;

use crate::ManyhandsBody;

pin_project! {
    /// The answer of [`crate::Manyhands`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        kind: Inner<F>,
    }
}

pin_project! {
    #[project = InnerKind]
    #[derive(Debug)]
    enum Inner<F> {
        Ours { response: Option<Response<Bytes>> },
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

impl<F> ResponseFuture<F> {
    pub(crate) fn ours(response: Response<Bytes>) -> Self {
        Self { kind: Inner::Ours { response: Some(response) } }
    }

    pub(crate) fn site(future: F, engine: Engine, asked: Asked) -> Self {
        Self { kind: Inner::Site { future, engine, asked } }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<ManyhandsBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            InnerKind::Ours { response } => {
                let response = response.take().expect("a future is not polled after it was ready");
                Poll::Ready(Ok(response.map(ManyhandsBody::ours)))
            }
            InnerKind::Site { future, engine, asked } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(answer(engine, asked, response)))
            }
        }
    }
}

/// Carries out what `page` decided on the site's answer; where the site has nothing, there may be
/// metainfo of ours.
fn answer<B: Body<Data = Bytes>>(
    engine: &Engine,
    asked: &Asked,
    mut response: Response<B>,
) -> Response<ManyhandsBody<B>> {
    if response.status() == StatusCode::NOT_FOUND
        && let Some(ours) = engine.beside(&asked.method, &asked.uri, &asked.headers)
    {
        return ours.map(ManyhandsBody::ours);
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
            response.map(|body| ManyhandsBody::page(body, &rewrite, engine.clone()))
        }
        Decision::Asset(offer) => asset(engine, asked, &offer, file.as_ref(), response),
        Decision::PassThrough(reason) => {
            engine.passed(reason, plan.doubt.as_ref());
            match plan.restore {
                Some(restore) => {
                    restore.edits.apply(response.headers_mut());
                    if asked.method == Method::HEAD {
                        return response.map(ManyhandsBody::site);
                    }
                    response.map(|body| ManyhandsBody::coded(body, restore.coding))
                }
                None => response.map(ManyhandsBody::site),
            }
        }
    }
}

fn asset<B: Body<Data = Bytes>>(
    engine: &Engine,
    asked: &Asked,
    offer: &AssetOffer,
    file: Option<&LocalFile>,
    mut response: Response<B>,
) -> Response<ManyhandsBody<B>> {
    let offered = engine.observe(offer, file, &asked.client);
    if let Some(sha256) = &offered.sha256 {
        let edits = asset_edits(&offer.path, sha256, engine.policy().prefix());
        edits.apply(response.headers_mut());
    }
    match offered.tee {
        Some(tee) => response.map(|body| ManyhandsBody::teed(body, tee)),
        None => response.map(ManyhandsBody::site),
    }
}
