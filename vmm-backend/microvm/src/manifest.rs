//! What a template says about itself, so that it is never forked where it does not fit. Plain data; opens
//! nothing.

use crate::hypervisor::Host;
use serde::{Deserialize, Serialize};

/// Changes whenever the meaning of a template's memory or state changes.
pub const FORMAT: u32 = 2;

/// A template's description of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] of the program that made it.
    pub format: u32,
    /// The host that made it.
    pub host: Host,
    /// Which guest.
    pub guest: String,
    /// How the host talks to it.
    pub protocol: String,
    /// Bytes of guest memory.
    pub memory_bytes: u64,
    /// Tells this template from every other one.
    pub identity: u64,
}

/// A template or image does not belong here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ManifestError {
    /// Made by another version of this program.
    #[error("template has format {found}, this program reads format {FORMAT}: make the template again")]
    Format {
        /// What it says.
        found: u32,
    },
    /// Its guest is talked to in another way.
    #[error(
        "the template's guest speaks `{found}`, this program was to fork one that speaks `{wanted}`: make the template again"
    )]
    Protocol {
        /// What it says.
        found: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// Made on a host that differs where it matters.
    #[error(
        "template was made on another {what} (`{found}`, here `{here}`): captured CPU state is only valid on the same kernel, \
             KVM module and CPU model; make the template on this host"
    )]
    Foreign {
        /// Kernel, KVM module or CPU model.
        what: &'static str,
        /// What the template says.
        found: String,
        /// What this host is.
        here: String,
    },
}

impl Manifest {
    /// Whether a template with this manifest may be forked on this host.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, here: &Host, protocol: &'static str) -> Result<(), ManifestError> {
        if self.format != FORMAT {
            return Err(ManifestError::Format { found: self.format });
        }
        if self.protocol != protocol {
            return Err(ManifestError::Protocol { found: self.protocol.clone(), wanted: protocol });
        }
        let pairs = [
            ("kernel", &self.host.kernel, &here.kernel),
            ("KVM module", &self.host.module, &here.module),
            ("CPU model", &self.host.cpu, &here.cpu),
        ];
        for (what, found, here) in pairs {
            if found != here {
                return Err(ManifestError::Foreign { what, found: found.clone(), here: here.clone() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let host = Host { kernel: "6.18".into(), module: "kvm_amd".into(), cpu: "x".into() };
        Manifest {
            format: FORMAT,
            host,
            guest: "embedded".into(),
            protocol: "mailbox".into(),
            memory_bytes: 1,
            identity: 7,
        }
    }

    #[test]
    fn only_the_same_host_and_format_pass() {
        let here = manifest().host;
        assert_eq!(manifest().check(&here, "mailbox"), Ok(()));
        type Change = fn(&mut Manifest);
        let changes: [(&str, Change); 5] = [
            ("format 1", |m| m.format = 1),
            ("speaks `other`", |m| m.protocol = "other".into()),
            ("another kernel", |m| m.host.kernel = "6.19".into()),
            ("another KVM module", |m| m.host.module = "kvm_intel".into()),
            ("another CPU model", |m| m.host.cpu = "y".into()),
        ];
        for (said, change) in changes {
            let mut other = manifest();
            change(&mut other);
            let message = other.check(&here, "mailbox").unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
