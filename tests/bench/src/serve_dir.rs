//! A static site as most axum users serve one, to compare `manyhands serve` with: `bench-serve-dir ADDRESS DIR`.

use axum::Router;
use tower_http::services::ServeDir;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(directory)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bench-serve-dir ADDRESS DIR".into());
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, Router::new().fallback_service(ServeDir::new(directory))).await?;
    Ok(())
}
