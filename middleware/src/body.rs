use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use manyhands_page::{Coding, Injector, PageRewrite};
use manyhands_server::{Engine, Meter, Ours, Tee};
use pin_project_lite::pin_project;

use crate::coding::Encoder;

pin_project! {
    /// The body of an answer: the site's own, the site's with the script tag in it, or one of ours.
    ///
    /// Errors are the site's: nothing of ours can fail once the head is out.
    #[derive(Debug)]
    pub struct ManyhandsBody<B> {
        #[pin]
        kind: Kind<B>,
        meter: Meter,
    }
}

pin_project! {
    #[project = KindProjected]
    #[derive(Debug)]
    enum Kind<B> {
        Site { #[pin] body: B },
        Ours { bytes: Option<Bytes> },
        Rewritten { #[pin] body: B, rewriter: Rewriter },
        Teed { #[pin] body: B, tee: Option<Tee> },
    }
}

impl<B> ManyhandsBody<B> {
    pub(crate) fn site(body: B, meter: Meter) -> Self {
        Self { kind: Kind::Site { body }, meter }
    }

    /// An answer of ours.
    pub(crate) fn ours(ours: Ours) -> Response<Self> {
        let Ours { response, meter } = ours;
        response.map(|bytes| {
            let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
            Self { kind: Kind::Ours { bytes }, meter }
        })
    }

    /// A page that gets the tag.
    pub(crate) fn page(body: B, rewrite: &PageRewrite, engine: Engine, meter: Meter) -> Self {
        let injection = Injection { injector: Injector::new(&rewrite.tag), engine };
        let rewriter = Rewriter::new(Some(injection), rewrite.recompress);
        Self { kind: Kind::Rewritten { body, rewriter }, meter }
    }

    /// A body that is only compressed.
    pub(crate) fn coded(body: B, coding: Coding, meter: Meter) -> Self {
        Self { kind: Kind::Rewritten { body, rewriter: Rewriter::new(None, Some(coding)) }, meter }
    }

    /// An asset that is hashed as it passes.
    pub(crate) fn teed(body: B, tee: Tee, meter: Meter) -> Self {
        Self { kind: Kind::Teed { body, tee: Some(tee) }, meter }
    }
}

impl<B: Body<Data = Bytes>> Body for ManyhandsBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let mut kind = this.kind;
        let frame = ready!(kind.as_mut().poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            this.meter.sent(frame.data_ref().map_or(0, Bytes::len));
        }
        // Hosts stop asking when a body says that it has ended, or when its length is reached.
        let failed = matches!(frame, Some(Err(_)));
        if frame.is_none() || !failed && kind.is_end_stream() {
            this.meter.ended();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.kind.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.kind.size_hint()
    }
}

impl<B: Body<Data = Bytes>> Kind<B> {
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project() {
            KindProjected::Site { body } => body.poll_frame(cx),
            KindProjected::Ours { bytes } => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            KindProjected::Rewritten { body, rewriter } => rewriter.poll_frame(body, cx),
            KindProjected::Teed { mut body, tee } => {
                if let Some(tee) = tee.as_mut() {
                    ready!(tee.poll_ready(cx));
                }
                let frame = ready!(body.as_mut().poll_frame(cx));
                match &frame {
                    Some(Ok(frame)) => {
                        if let (Some(tee), Some(data)) = (tee.as_mut(), frame.data_ref()) {
                            tee.push(data);
                        }
                    }
                    Some(Err(_)) => *tee = None,
                    None => {}
                }
                if frame.is_none() || body.is_end_stream() {
                    *tee = None;
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Site { body } | Self::Teed { body, .. } => body.is_end_stream(),
            Self::Ours { bytes } => bytes.is_none(),
            Self::Rewritten { rewriter, .. } => rewriter.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Site { body } | Self::Teed { body, .. } => body.size_hint(),
            Self::Ours { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Rewritten { .. } => SizeHint::default(),
        }
    }
}

/// A search for the tag's place; its outcome is counted when it ends.
#[derive(Debug)]
struct Injection {
    injector: Injector,
    engine: Engine,
}

impl Drop for Injection {
    fn drop(&mut self) {
        match self.injector.outcome().map(|outcome| outcome.reason()) {
            Some(Some(reason)) => self.engine.passed(reason, None),
            Some(None) => self.engine.page(),
            // The page broke off before its place was found.
            None => {}
        }
    }
}

/// Injects and compresses a body, chunk by chunk: whatever the site has sent goes out before more is
/// waited for.
#[derive(Debug)]
struct Rewriter {
    injection: Option<Injection>,
    encoder: Option<Encoder>,
    /// Bytes went into the encoder that have not been flushed out of it.
    unflushed: bool,
    trailers: Option<http::HeaderMap>,
    ended: bool,
    done: bool,
}

impl Rewriter {
    fn new(injection: Option<Injection>, coding: Option<Coding>) -> Self {
        Self {
            injection,
            encoder: coding.map(Encoder::new),
            unflushed: false,
            trailers: None,
            ended: false,
            done: false,
        }
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn poll_frame<B: Body<Data = Bytes>>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        while !self.ended {
            let frame = match body.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    // The site pauses: let out what the encoder holds back.
                    return match self.flush() {
                        Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                        None => Poll::Pending,
                    };
                }
            };
            let data = match frame {
                None => {
                    self.ended = true;
                    self.finish()
                }
                Some(Err(error)) => {
                    self.done = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.write(data),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        continue;
                    }
                },
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
        self.done = true;
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn write(&mut self, data: Bytes) -> Bytes {
        let data = match &mut self.injection {
            Some(injection) => {
                let mut out = Vec::with_capacity(data.len() + 128);
                injection.injector.write(&data, &mut out);
                if injection.injector.finished() {
                    self.injection = None;
                }
                Bytes::from(out)
            }
            None => data,
        };
        match &mut self.encoder {
            Some(encoder) => {
                self.unflushed |= !data.is_empty();
                encoder.write(&data)
            }
            None => data,
        }
    }

    fn flush(&mut self) -> Option<Bytes> {
        let encoder = self.encoder.as_mut().filter(|_| self.unflushed)?;
        self.unflushed = false;
        Some(encoder.flush()).filter(|data| !data.is_empty())
    }

    fn finish(&mut self) -> Bytes {
        let mut rest = Vec::new();
        if let Some(mut injection) = self.injection.take() {
            injection.injector.end(&mut rest);
        }
        match self.encoder.take() {
            Some(encoder) => encoder.finish(&rest),
            None => Bytes::from(rest),
        }
    }
}
