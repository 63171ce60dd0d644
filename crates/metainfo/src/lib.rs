//! BEP 3/47/52 metainfo, the asset manifest and the records of the asset store, without any IO
