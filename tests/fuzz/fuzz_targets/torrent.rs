//! See `manyhands_fuzz::torrent`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(torrent);
