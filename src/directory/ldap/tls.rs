//! TLS towards the server: the certificates of the configuration, and clear words for what can go wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::config::TlsFiles;

/// Why certificates or keys cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TlsFilesError {
    /// A file cannot be read, or holds something else.
    #[error("directory.{key}: {}: {why}", file.display())]
    File {
        /// Its key in the configuration.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Certificate and key do not go together.
    #[error("directory.client_cert_file and client_key_file cannot be used: {0}")]
    Pair(String),
}

/// What TLS connections begin with: whom to trust, and who we are.
pub(super) fn settings(files: &TlsFiles) -> Result<Arc<ClientConfig>, TlsFilesError> {
    let builder = ClientConfig::builder().with_root_certificates(authorities(&files.ca_file)?);
    let Some(client) = &files.client else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let chain = certificates("client_cert_file", &client.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&client.key)
        .map_err(|error| unusable("client_key_file", &client.key, &error))?;
    let config = builder.with_client_auth_cert(chain, key);
    config.map(Arc::new).map_err(|error| TlsFilesError::Pair(error.to_string()))
}

fn authorities(file: &Path) -> Result<RootCertStore, TlsFilesError> {
    let mut store = RootCertStore::empty();
    // One authority that rustls cannot read, among hundreds of a system's, must not take the others away.
    let (added, _) = store.add_parsable_certificates(certificates("ca_file", file)?);
    if added > 0 {
        return Ok(store);
    }
    let why = "none of its certificates can be used".to_owned();
    Err(TlsFilesError::File { key: "ca_file", file: file.to_owned(), why })
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFilesError> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = found.map_err(|error| unusable(key, file, &error))?;
    if !found.is_empty() {
        return Ok(found);
    }
    let why = "it holds no certificate in PEM".to_owned();
    Err(TlsFilesError::File { key, file: file.to_owned(), why })
}

fn unusable(key: &'static str, file: &Path, error: &pem::Error) -> TlsFilesError {
    TlsFilesError::File { key, file: file.to_owned(), why: error.to_string() }
}

/// What an error of the connection means, in words for an administrator.
pub(super) fn in_words(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "the server closed the connection".to_owned();
    }
    explain(error).unwrap_or_else(|| error.to_string())
}

/// What TLS says; none if the error is not of TLS.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others have a text of their own")]
fn explain(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::InvalidCertificate(certificate) => of_certificate(certificate),
        rustls::Error::InvalidMessage(_) => {
            "what answers speaks no TLS; for StartTLS, the url begins with ldap:".to_owned()
        }
        other => other.to_string(),
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls may add reasons; each has a text of its own")]
fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "the server's certificate comes from an authority that directory.ca_file does not hold".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the server's certificate is for another name than the one in directory.urls ({error})")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the server's certificate has expired ({error})")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the server's certificate is not valid yet; is this machine's clock right? ({error})")
        }
        other => format!("the server's certificate cannot be trusted: {other}"),
    }
}
