//! An axum site whose visitors share its large files. Put some into a directory, then:
//!
//! ```console
//! $ cargo run --release -p manyhands-examples --example axum-site -- public
//! ```
use std::net::SocketAddr;

use axum::{Router, routing::get};
use manyhands::ManyhandsLayer;
use tower_http::services::ServeDir;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let public = std::env::args().nth(1).ok_or("which directory? axum-site DIR")?;
    let site = Router::new()
        .route("/hello", get(|| async { "an ordinary route" }))
        .fallback_service(ServeDir::new(public))
        .layer(ManyhandsLayer::dev("http://127.0.0.1:3000")?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://127.0.0.1:3000 (development settings: not for a public site)");
    axum::serve(listener, site.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
