//! An answer on its way out.
//!
//! nginx calls filters one after the other; each keeps whom to call next. Those of [`page`] come before compression,
//! those of [`octets`] after it.

mod injection;
mod octets;
mod page;

pub(crate) use injection::Injection;
pub(crate) use octets::install as install_octets;
pub(crate) use page::install as install_page;
