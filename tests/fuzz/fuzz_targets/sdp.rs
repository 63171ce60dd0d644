//! See `manyhands_fuzz::sdp`.

#![cfg_attr(feature = "libfuzzer", no_main)]

manyhands_fuzz::target!(sdp);
