//! See `manyhands_fuzz::asset_path`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(asset_path);
