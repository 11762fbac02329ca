//! Certificates of a test's own making: good ones, and ones that nobody should accept.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A self-signed certificate for `localhost` and 127.0.0.1, with its key.
#[derive(Debug)]
pub struct Certificate {
    signed: rcgen::Certificate,
    key: KeyPair,
}

impl Certificate {
    /// One that is valid, if it is trusted.
    #[must_use]
    pub fn valid() -> Self {
        Self::until(4096)
    }

    /// One that ran out long ago.
    #[must_use]
    pub fn expired() -> Self {
        Self::until(2001)
    }

    fn until(year: i32) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names of a certificate");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let signed = params.self_signed(&key).expect("a certificate");
        Self { signed, key }
    }

    /// It as a client is told to trust it.
    #[must_use]
    pub fn pem(&self) -> String {
        self.signed.pem()
    }

    pub(super) fn acceptor(self) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key just made");
        let chain = vec![self.signed.der().clone()];
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("protocols of the provider")
            .with_no_client_auth()
            .with_single_cert(chain, key);
        TlsAcceptor::from(Arc::new(config.expect("a certificate with its key")))
    }
}
