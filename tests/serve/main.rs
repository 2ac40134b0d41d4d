//! A host as its users meet it: the official client, what is refused, what is remembered, and how it ends.

#[cfg(unix)]
mod host;

#[cfg(unix)]
mod crash;
#[cfg(unix)]
mod journal;
#[cfg(unix)]
mod life;
#[cfg(unix)]
mod official;
#[cfg(unix)]
mod refusals;
#[cfg(unix)]
mod tls;
