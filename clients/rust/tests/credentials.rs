//! How clients show who they are: over TLS that is ended in front of a real gateway, and by tokens, to a bare HTTP/2 server.

#![cfg(feature = "tls")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use straw_client::v1::GetStatusRequest;
use straw_client::{Certificate, Client, ClientTlsConfig, Code, Error, Identity};
use support::gateway::Gateway;
use support::soon;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Certificate {
        Certificate::from_pem(self.0.pem())
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap(), key)
    }

    fn identity(&self) -> Identity {
        let (certificate, key) = self.issue("consumer");
        Identity::from_pem(certificate.pem(), key.serialize_pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.0.der().to_vec())).unwrap();
        roots
    }

    /// For `localhost`; with mutual TLS if clients must show a certificate of this authority.
    fn server(&self, mutual: bool) -> ServerConfig {
        let (certificate, key) = self.issue("localhost");
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let builder = ServerConfig::builder_with_provider(
            tokio_rustls::rustls::crypto::ring::default_provider().into(),
        );
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if mutual {
            let provider = tokio_rustls::rustls::crypto::ring::default_provider().into();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(self.roots().into(), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

/// Ends TLS in front of a gateway.
async fn tls_proxy(config: ServerConfig, gateway: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (acceptor, gateway) = (TlsAcceptor::from(Arc::new(config)), gateway.to_owned());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, gateway) = (acceptor.clone(), gateway.clone());
            tokio::spawn(async move {
                // A client that is refused here, or goes, is what some tests are about.
                if let Ok(mut client) = acceptor.accept(client).await {
                    let mut server = TcpStream::connect(gateway).await.unwrap();
                    _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    format!("localhost:{port}")
}

async fn status(client: &Client) -> Result<String, Error> {
    Ok(soon(client.gateway().get_status(GetStatusRequest {})).await?.into_inner().version)
}

#[tokio::test]
async fn tls_with_roots_of_ones_own() {
    let gateway = Gateway::start();
    let authority = Authority::new();
    let address = tls_proxy(authority.server(false), &gateway.grpc).await;
    let config = ClientTlsConfig::new().ca_certificate(authority.pem());
    let client = Client::builder(&address).tls_config(config).token("secret").connect().unwrap();
    assert_eq!(status(&client).await.unwrap(), status(&support::client(&gateway.grpc)).await.unwrap());

    let other = ClientTlsConfig::new().ca_certificate(Authority::new().pem());
    for untrusting in [Client::builder(&address).tls_config(other), Client::builder(&address).tls()] {
        let error = status(&untrusting.connect().unwrap()).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{error}");
    }
}

#[tokio::test]
async fn mutual_tls() {
    let gateway = Gateway::start();
    let authority = Authority::new();
    let address = tls_proxy(authority.server(true), &gateway.grpc).await;
    let config = || ClientTlsConfig::new().ca_certificate(authority.pem());
    let known =
        Client::builder(&address).tls_config(config().identity(authority.identity())).connect().unwrap();
    assert!(!status(&known).await.unwrap().is_empty());
    let stranger = config().identity(Authority::new().identity());
    for refused in [config(), stranger] {
        let client = Client::builder(&address).tls_config(refused).connect().unwrap();
        assert!(status(&client).await.is_err());
    }
}

#[tokio::test]
async fn each_call_carries_a_token_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        let mut calls = h2::server::handshake(connection).await.unwrap();
        while let Some(call) = calls.accept().await {
            let (request, mut answer) = call.unwrap();
            let header = request.headers()["authorization"].to_str().unwrap().to_owned();
            sent.send((request.headers()["user-agent"].to_str().unwrap().to_owned(), header)).unwrap();
            let head =
                tonic::codegen::http::Response::builder().header("grpc-status", "16").body(()).unwrap();
            answer.send_response(head, true).unwrap();
        }
    });
    let count = Arc::new(AtomicUsize::new(1));
    let source = move || {
        let n = count.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, std::io::Error>(format!("token-{n}")) }
    };
    let client = Client::builder(address).token_source(source).connect().unwrap();
    for n in 1..=2 {
        assert_eq!(status(&client).await.unwrap_err().code(), Code::Unauthenticated);
        let (agent, authorization) = soon(seen.recv()).await.unwrap();
        assert!(agent.starts_with("straw-rust/"), "{agent}");
        assert_eq!(authorization, format!("Bearer token-{n}"));
    }
}
