//! Certificates: read from PEM files, or made here for this machine.
//!
//! A certificate made here is kept and used again, so that a client that trusts the file goes on
//! doing so after a restart; removing `cert.pem` makes a new one. The only crypto library is ring.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ListenError;

/// The configuration for a certificate chain and key in PEM files.
///
/// # Errors
/// [`ListenError::Certificate`] naming the file that is missing or wrong.
pub(crate) fn from_files(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, ListenError> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|wrong| refused(cert, &wrong))?;
    if chain.is_empty() {
        return Err(refused(cert, &"holds no certificate"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|wrong| refused(key, &wrong))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|wrong| refused(cert, &wrong))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|wrong| refused(cert, &wrong))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The configuration for the certificate kept in `folder`, made now when there is none that can be
/// used. It is good for `localhost`, the loopback addresses and `ip`.
///
/// # Errors
/// [`ListenError::Certificate`] when the files can't be written or used.
pub(crate) fn self_signed(
    folder: &Path,
    ip: IpAddr,
) -> Result<(Arc<ServerConfig>, PathBuf), ListenError> {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    if cert.exists()
        && key.exists()
        && let Ok(config) = from_files(&cert, &key)
    {
        return Ok((config, cert));
    }
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    if !ip.is_unspecified() && !names.contains(&ip.to_string()) {
        names.push(ip.to_string());
    }
    let (pem, private) = made(names).map_err(|wrong| refused(&cert, &wrong))?;
    fs::create_dir_all(folder).map_err(|wrong| refused(folder, &wrong))?;
    write(&key, &private, true)?;
    write(&cert, &pem, false)?;
    Ok((from_files(&cert, &key)?, cert))
}

/// A new certificate for these names, and its key, as PEM.
fn made(names: Vec<String>) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Shraga embedded store");
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    Ok((cert.pem(), key.serialize_pem()))
}

/// Writes a file, readable by its owner only when `secret`.
fn write(path: &Path, text: &str, secret: bool) -> Result<(), ListenError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if secret { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = secret;
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|wrong| refused(path, &wrong))
}

fn refused(file: &Path, reason: &dyn ToString) -> ListenError {
    ListenError::Certificate {
        file: file.to_owned(),
        reason: reason.to_string(),
    }
}
