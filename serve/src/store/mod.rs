//! What a host must not forget: names, their key numbers, settings and states. A small trait, so that another
//! store can take its place; every change is one compare-and-set on a record's revision.

mod contract;
mod record;
mod redb_store;
mod writer;

pub use contract::{Applied, Change, Contents, Store, StoreError, VERSION};
pub use record::{Access, Label, Life, Record, Seal};
pub use redb_store::RedbStore;
pub use writer::Writer;
