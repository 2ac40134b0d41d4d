//! TLS by rustls: a certificate and its key from files, read once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::{self, crypto::ring};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: no PEM file of {what}: {why}\n  {remedy}", remedy = "give the files of `server.tls`")]
    File {
        /// Which.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// What is wrong.
        why: pem::Error,
    },
    /// Certificate and key do not go together.
    #[error("{cert}: cannot be used with the key {key}: {why}")]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        why: rustls::Error,
    },
}

/// Reads a certificate chain and its key.
///
/// # Errors
/// Files that cannot be read or do not go together.
pub(crate) fn acceptor(cert: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let bad = |path: &Path, what| {
        let path = path.to_owned();
        move |why| TlsError::File { path, what, why }
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(cert).map_err(bad(cert, "certificates"))?.collect();
    let chain = chain.map_err(bad(cert, "certificates"))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(bad(key, "a private key"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|why| TlsError::Pair { cert: cert.to_owned(), key: key.to_owned(), why })?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
