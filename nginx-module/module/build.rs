//! Passes on what nginx was configured with, and keeps all but nginx's three symbols out of the exports.

use std::env;

/// Versions since which nginx's structures or functions differ: what is at least so new gets the `cfg`.
const VERSIONS: [(u64, &str); 1] = [(1_023_000, "nginx_1_23")];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");

    // Only a direct dependent of nginx-sys is told these.
    let features = env::var("DEP_NGINX_FEATURES_CHECK").unwrap_or_else(|_| "any()".to_owned());
    println!("cargo::rustc-check-cfg=cfg(ngx_feature, values({features}))");
    for feature in env::var("DEP_NGINX_FEATURES").unwrap_or_default().split(',') {
        println!("cargo::rustc-cfg=ngx_feature=\"{}\"", feature.trim());
    }
    let version = env::var("DEP_NGINX_VERSION_NUMBER").ok().and_then(|number| number.parse().ok());
    for (since, cfg) in VERSIONS {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if version.is_some_and(|version: u64| version >= since) {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}
