//! A service principal that proves itself with a certificate.
//!
//! The library does so through OpenSSL, which this program doesn't link; the proof is a short signed
//! note (a JWT), made here with the TLS library's own signing. The key is read for each proof and
//! never kept. Only unencrypted PEM with an RSA key is understood; anything else is said.

use std::path::PathBuf;

use azure_core::Result as AzureResult;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_core::time::OffsetDateTime;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::ask::read_secret_file;

/// The variable that names the file.
const VARIABLE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

/// How long a proof is good, in seconds: long enough for clocks that differ by minutes.
const GOOD_FOR_SECONDS: i64 = 600;

/// A certificate with its key, where it is, and for whom it speaks.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// PEM with both.
    pub(super) path: PathBuf,
    /// The application.
    pub(super) client_id: String,
    /// Who is to believe it: the address that gives tokens.
    pub(super) audience: String,
}

#[async_trait::async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> AzureResult<String> {
        let pem = read_secret_file(&self.path, VARIABLE).await?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        self.proof(
            pem.as_bytes(),
            now,
            Uuid::new_v7(uuid::Timestamp::from_unix(
                uuid::NoContext,
                now.unsigned_abs(),
                0,
            )),
        )
        .map_err(|what| {
            let message = format!("{VARIABLE} {} {what}", self.path.display());
            azure_core::Error::with_message(ErrorKind::Credential, message)
        })
    }
}

impl Certificate {
    /// The signed note.
    fn proof(&self, pem: &[u8], now: i64, id: Uuid) -> Result<String, &'static str> {
        let certificate =
            CertificateDer::from_pem_slice(pem).map_err(|_| "holds no certificate in PEM")?;
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| "holds no unencrypted private key in PEM")?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key)
            .map_err(|_| "holds a private key that can't be used")?;
        let signer = key
            .choose_scheme(&[SignatureScheme::RSA_PSS_SHA256])
            .ok_or("holds a private key that isn't RSA")?;
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate));
        let head = serde_json::json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint});
        let claims = serde_json::json!({
            "aud": self.audience,
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": id,
            "nbf": now,
            "exp": now + GOOD_FOR_SECONDS,
        });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let note = format!("{}.{}", encode(head), encode(claims));
        let signature = signer
            .sign(note.as_bytes())
            .map_err(|_| "holds a private key that can't sign")?;
        Ok(format!("{note}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
