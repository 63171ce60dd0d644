//! See `manyhands_fuzz::access_log`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(access_log);
