//! A service principal that proves itself with a certificate.
//!
//! The library does so through OpenSSL, which this program doesn't link; the proof is a short signed
//! note (a JWT), made here with the TLS library's own signing. The key is read for each proof and
//! never kept. Only unencrypted PEM with an RSA key is understood; anything else is said.

use std::path::PathBuf;

use azure_core::Result as AzureResult;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use shraga_core::time::{Span, Timestamp};
use uuid::Uuid;

use super::ask::read_secret_file;

/// The variable that names the file.
const VARIABLE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

/// How long a proof is good: long enough for clocks that differ by minutes.
const GOOD_FOR: Span = Span::mins(10);

/// A certificate with its key, where it is, and for whom it speaks.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    /// PEM with both.
    pub(super) path: PathBuf,
    /// The application.
    pub(super) client_id: String,
    /// Who is to believe it: the address that gives tokens.
    pub(super) audience: String,
    /// The time, by the clock of this machine.
    pub(super) now: Timestamp,
}

#[async_trait::async_trait]
impl ClientAssertion for Certificate {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> AzureResult<String> {
        let pem = read_secret_file(&self.path, VARIABLE).await?;
        self.proof(pem.as_bytes(), Uuid::now_v7()).map_err(|what| {
            let message = format!("{VARIABLE} {} {what}", self.path.display());
            azure_core::Error::with_message(ErrorKind::Credential, message)
        })
    }
}

impl Certificate {
    /// The signed note.
    fn proof(&self, pem: &[u8], id: Uuid) -> Result<String, &'static str> {
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
            "nbf": self.now.as_secs(),
            "exp": self.now.plus(GOOD_FOR).as_secs(),
        });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let note = format!("{}.{}", encode(head), encode(claims));
        let signature = signer
            .sign(note.as_bytes())
            .map_err(|_| "holds a private key that can't sign")?;
        Ok(format!("{note}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring::default_provider;
    use rustls::pki_types::SubjectPublicKeyInfoDer;
    use serde_json::Value;

    use super::*;

    /// A certificate, its key, and the public part of it; made for this test and used nowhere else.
    const PEM: &str = include_str!("../../tests/credentials/application.pem");

    /// Where the key itself begins in the public part of a key of this length.
    const KEY_AT: usize = 24;

    fn certificate() -> Certificate {
        Certificate {
            path: PathBuf::from("application.pem"),
            client_id: "client".to_owned(),
            audience: "https://login.example/tenant/oauth2/v2.0/token".to_owned(),
            now: Timestamp::from_secs(1_800_000_000),
        }
    }

    fn decoded(part: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(part).unwrap()
    }

    fn json(part: &str) -> Value {
        serde_json::from_slice(&decoded(part)).unwrap()
    }

    fn holds(note: &str, signature: &str) -> bool {
        let known = default_provider().signature_verification_algorithms;
        let (_, ways) = known
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256)
            .unwrap();
        let key = SubjectPublicKeyInfoDer::from_pem_slice(PEM.as_bytes()).unwrap();
        let way = ways[0];
        way.verify_signature(&key[KEY_AT..], note.as_bytes(), &decoded(signature))
            .is_ok()
    }

    #[test]
    fn the_proof_names_the_application_and_its_signature_holds() {
        let proof = certificate().proof(PEM.as_bytes(), Uuid::nil()).unwrap();
        let (note, signature) = proof.rsplit_once('.').unwrap();
        assert!(holds(note, signature));
        assert!(!holds(&note.replace('.', ".."), signature));
        let (head, claims) = note.split_once('.').unwrap();
        let (head, claims) = (json(head), json(claims));
        assert_eq!(head["alg"], "PS256");
        assert_eq!(head["x5t#S256"].as_str().unwrap().len(), 43);
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&"client".into(), &"client".into())
        );
        assert_eq!(claims["aud"], certificate().audience);
        assert_eq!(claims["nbf"], 1_800_000_000);
        assert_eq!(claims["exp"], 1_800_000_600);
    }

    #[test]
    fn a_file_without_a_usable_key_is_refused_in_words() {
        let refused = |pem: &str| {
            certificate()
                .proof(pem.as_bytes(), Uuid::nil())
                .unwrap_err()
        };
        assert_eq!(refused("nothing"), "holds no certificate in PEM");
        let alone = &PEM[..PEM.find("-----BEGIN PRIVATE").unwrap()];
        assert_eq!(refused(alone), "holds no unencrypted private key in PEM");
    }
}
