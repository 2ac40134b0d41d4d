//! Which pages a start writes: one clone of a new template is started as a user would start it, and looked
//! at. Forks copy these pages ahead.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::bind::{Bind, Generation, Key};
use crate::guest::Guest;
use crate::hypervisor::Hypervisor;
use crate::runner::Runner;
use crate::sys::pagemap::Pagemap;
use crate::template::{Template, TemplateError};
use crate::vm::{Vm, VmError};

const LIMIT: Duration = Duration::from_secs(5);

/// A trained template could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The template itself.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The clone did not start.
    #[error("cannot train the template: {0}")]
    Clone(#[from] VmError),
    /// The timer that bounds the clone's run.
    #[error("cannot train the template: timer_create: {0}")]
    Timer(#[source] io::Error),
    /// The page map cannot be read, so that the write set stays unknown.
    #[error(
        "cannot find the pages that a start writes, neither by PAGEMAP_SCAN nor in /proc/self/pagemap: {0}"
    )]
    Pagemap(#[source] io::Error),
}

/// Boot the guest once, capture it, and train one clone for the write set.
///
/// # Errors
/// The step that failed.
pub fn capture(
    hypervisor: &Arc<Hypervisor>,
    guest: Arc<dyn Guest>,
    memory_bytes: u64,
) -> Result<Arc<Template>, CaptureError> {
    let untrained = Arc::new(Template::capture_untrained(hypervisor, guest, memory_bytes)?);
    let pagemap = Pagemap::open().map_err(CaptureError::Pagemap)?;
    let write_set = train(hypervisor, &untrained, &pagemap)?;
    let template = Arc::into_inner(untrained).expect("the only clone was dropped by the training");
    Ok(Arc::new(template.with_write_set(write_set)))
}

fn train(
    hypervisor: &Arc<Hypervisor>,
    template: &Arc<Template>,
    pagemap: &Pagemap,
) -> Result<Vec<u64>, CaptureError> {
    let mut runner = Runner::new().map_err(CaptureError::Timer)?;
    let mut vm = Vm::fork(hypervisor, template)?;
    let bind = Bind::new("", Key::new("").map_err(VmError::from)?).map_err(VmError::from)?;
    vm.start(&mut runner, Generation(1), &bind, LIMIT)?;
    vm.written(pagemap).map_err(CaptureError::Pagemap)
}
