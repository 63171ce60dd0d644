//! What counting costs a request: alone, and as the difference between the layer with and without an experiment,
//! in the same run.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full};
use manyhands::{Config, ExperimentDesign, ManyhandsLayer, PeerAddress};
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt, service_fn};

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                     Chrome/156.0.0.0 Safari/537.36";
const RANGE: usize = 64 << 10;

fn layer(state: &tempfile::TempDir, design: ExperimentDesign) -> ManyhandsLayer {
    let mut config = Config::dev();
    config.site.origin = Some("http://127.0.0.1:1".to_owned());
    config.state.dir = state.path().join(format!("{design:?}"));
    config.experiment.design = design;
    ManyhandsLayer::new(config).unwrap()
}

fn request(path: &str) -> Request<Full<Bytes>> {
    let address: SocketAddr = "203.0.113.9:4000".parse().unwrap();
    Request::get(path)
        .header(header::HOST, "127.0.0.1:1")
        .header(header::USER_AGENT, AGENT)
        .extension(PeerAddress(address))
        .body(Full::default())
        .unwrap()
}

fn file(request: &Request<Full<Bytes>>, bytes: &Bytes) -> Response<Full<Bytes>> {
    let answer = Response::builder()
        .header(header::CONTENT_TYPE, "application/zip")
        .header(header::ETAG, "\"v1\"");
    let whole = bytes.len();
    let answer = if request.headers().contains_key(header::RANGE) {
        let range = format!("bytes 0-{}/{whole}", RANGE - 1);
        let answer = answer.status(206).header(header::CONTENT_RANGE, range);
        answer.header(header::CONTENT_LENGTH, RANGE).body(Full::new(bytes.slice(..RANGE)))
    } else {
        answer.header(header::CONTENT_LENGTH, whole).body(Full::new(bytes.clone()))
    };
    answer.unwrap()
}

fn counting(criterion: &mut Criterion) {
    let state = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let mut group = criterion.benchmark_group("counting");

    let visitors = layer(&state, ExperimentDesign::Visitors);
    let mut headers = HeaderMap::new();
    headers.insert(header::USER_AGENT, AGENT.parse().unwrap());
    headers.insert(header::COOKIE, "manyhands_b=512".parse().unwrap());
    // This machine's own network is not bounded: its pages go to their unit each time; of the other one only the first.
    for (name, peer) in [("to a unit", "127.0.0.1:9"), ("past the bound", "203.0.113.9:9")] {
        let peer = PeerAddress(peer.parse().unwrap());
        group.bench_function(format!("a page of a visitor in a bucket, alone, {name}"), |bench| {
            bench.iter(|| {
                let client = visitors.engine().client(Some(peer), &headers);
                let visitor = visitors.engine().visitor(black_box(&headers), &client);
                let mut meter = visitors.engine().meter_page(visitor);
                meter.sent(black_box(14_000));
                meter.ended();
            });
        });
    }

    let bytes: Bytes = vec![7; 2 << 20].into();
    for design in [ExperimentDesign::Off, ExperimentDesign::Crossover] {
        let bytes = bytes.clone();
        let site = layer(&state, design).layer(service_fn(move |request| {
            let answer = file(&request, &bytes);
            async move { Ok::<_, Infallible>(answer) }
        }));
        // Asked for whole, it is hashed on its way.
        runtime.block_on(async {
            loop {
                let answer = site.clone().oneshot(request("/a.zip")).await.unwrap();
                answer.into_body().collect().await.unwrap();
                let manifest = request("/.well-known/manyhands/manifest/a.zip?again");
                if site.clone().oneshot(manifest).await.unwrap().status() == 200 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        group.bench_function(
            format!("a range of a shared file through the layer, {design:?}"),
            |bench| {
                bench.iter(|| {
                    let mut request = request("/a.zip");
                    request.headers_mut().insert(header::RANGE, "bytes=0-65535".parse().unwrap());
                    runtime.block_on(async {
                        let answer = site.clone().oneshot(request).await.unwrap();
                        black_box(answer.into_body().collect().await.unwrap().to_bytes())
                    })
                });
            },
        );
    }
    group.finish();
}

criterion_group!(benches, counting);
criterion_main!(benches);
