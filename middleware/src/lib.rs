//! A tower layer that turns a web site's visitors into its CDN
