use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Endpoint;

use crate::transport::{Dialer, TokenSource};
use crate::{BoxError, Client, Error};

/// Where a gateway listens for gRPC unless told otherwise.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9090";

/// How to connect; see [`Client::builder`].
#[must_use]
pub struct Builder {
    address: String,
    security: Security,
    token: Option<TokenSource>,
}

enum Security {
    /// Plaintext on this machine, TLS beyond it.
    ByAddress,
    Plaintext,
    #[cfg(feature = "tls")]
    Tls(Option<Box<tonic::transport::ClientTlsConfig>>),
}

impl Builder {
    pub(crate) fn new(address: impl Into<String>) -> Self {
        Builder { address: address.into(), security: Security::ByAddress, token: None }
    }

    /// Connect over TLS with the system's roots, to a loopback address too.
    #[cfg(feature = "tls")]
    pub fn tls(mut self) -> Self {
        self.security = Security::Tls(None);
        self
    }

    /// Connect over TLS with roots of your own; with an identity in the config, mutual TLS.
    #[cfg(feature = "tls")]
    pub fn tls_config(mut self, config: tonic::transport::ClientTlsConfig) -> Self {
        self.security = Security::Tls(Some(Box::new(config)));
        self
    }

    /// Connect without TLS, beyond this machine too. Only for a network that is trusted end to end.
    pub fn plaintext(mut self) -> Self {
        self.security = Security::Plaintext;
        self
    }

    /// Send a bearer token with every call.
    pub fn token(self, token: impl Into<String>) -> Self {
        let token = token.into();
        self.token_source(move || std::future::ready(Ok::<_, BoxError>(token.clone())))
    }

    /// Ask for a bearer token at each call. The source should cache; its error fails the call with `UNAUTHENTICATED`.
    pub fn token_source<F, R, E>(mut self, source: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.token = Some(Arc::new(move || {
            let token = source();
            Box::pin(async move { token.await.map_err(Into::into) })
        }));
        self
    }

    /// Makes the client. It does no I/O: a gateway that isn't there shows in the first call.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the address isn't `host:port`, a token would be sent in plaintext beyond this machine,
    /// the TLS config is no good, or there is no Tokio runtime around.
    pub fn connect(self) -> Result<Client, Error> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::Config("a client must be made within a Tokio runtime".into()));
        }
        let endpoint = self.endpoint()?;
        Ok(Client::new(Dialer { endpoint, token: self.token }))
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let host = host(&self.address)?;
        let local = is_loopback(host);
        let plaintext = match self.security {
            Security::ByAddress => local,
            Security::Plaintext => true,
            #[cfg(feature = "tls")]
            Security::Tls(_) => false,
        };
        if plaintext && !local && self.token.is_some() {
            return Err(Error::Config(format!(
                "a token sent to {host} without TLS could be read on the way; connect with TLS"
            )));
        }
        let scheme = if plaintext { "http" } else { "https" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.address))
            .and_then(|e| e.user_agent(concat!("straw-rust/", env!("CARGO_PKG_VERSION"))))
            .map_err(|e| Error::Config(format!("gateway address {:?}: {e}", self.address)))?
            .connect_timeout(Duration::from_secs(10))
            // Heartbeats tell a dead stream; pings are for calls that are waiting, and for connections that a NAT has dropped.
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10));
        if plaintext { Ok(endpoint) } else { self.secure(endpoint) }
    }

    #[cfg(feature = "tls")]
    fn secure(&self, endpoint: Endpoint) -> Result<Endpoint, Error> {
        let config = match &self.security {
            Security::Tls(Some(config)) => (**config).clone(),
            _ => tonic::transport::ClientTlsConfig::new().with_enabled_roots(),
        };
        endpoint.tls_config(config).map_err(|e| Error::Config(format!("the TLS config: {e}")))
    }

    #[cfg(not(feature = "tls"))]
    fn secure(&self, _: Endpoint) -> Result<Endpoint, Error> {
        Err(Error::Config(format!(
            "{} isn't this machine, and this build has no TLS: turn on the feature `tls`, or connect with `plaintext`",
            self.address
        )))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The host of `host:port`; an IPv6 address without its brackets.
fn host(address: &str) -> Result<&str, Error> {
    let parts = address.rsplit_once(':').filter(|(host, port)| {
        let enclosed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty() && port.parse::<u16>().is_ok() && (enclosed || !host.contains([':', '/', '@', ' ']))
    });
    match parts {
        Some((host, _)) => Ok(host.trim_start_matches('[').trim_end_matches(']')),
        None => Err(Error::Config(format!(
            "gateway address {address:?} isn't host:port, such as {DEFAULT_ADDRESS}"
        ))),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (address, want) in [
            ("127.0.0.1:9090", Some("127.0.0.1")),
            ("[::1]:9090", Some("::1")),
            ("straw.example.com:443", Some("straw.example.com")),
            ("straw.example.com", None),
            ("straw:", None),
            (":9090", None),
            ("::1:9090", None),
            ("http://straw:9090", None),
            ("straw:port", None),
            ("", None),
        ] {
            assert_eq!(host(address).ok(), want, "{address}");
        }
    }

    #[test]
    fn plaintext_is_for_this_machine() {
        let scheme = |b: Builder| b.endpoint().unwrap().uri().scheme_str().unwrap().to_owned();
        for local in ["127.0.0.1:9090", "127.8.8.8:9090", "[::1]:9090", "localhost:9090"] {
            assert_eq!(scheme(Builder::new(local)), "http", "{local}");
        }
        assert_eq!(scheme(Builder::new("10.0.0.1:9090").plaintext()), "http");
        #[cfg(feature = "tls")]
        for (name, builder) in [
            ("far away", Builder::new("straw.example.com:443")),
            ("on this machine, as told", Builder::new("127.0.0.1:9090").tls()),
            ("the later call counts", Builder::new("10.0.0.1:9090").plaintext().tls()),
        ] {
            assert_eq!(scheme(builder), "https", "{name}");
        }
    }

    #[test]
    fn a_token_stays_off_the_wire_in_plaintext() {
        let refused = Builder::new("10.0.0.1:9090").plaintext().token("secret").endpoint().unwrap_err();
        assert!(
            refused.to_string().contains("10.0.0.1") && !refused.to_string().contains("secret"),
            "{refused}"
        );
        assert!(Builder::new("127.0.0.1:9090").token("secret").endpoint().is_ok());
    }

    #[test]
    fn a_client_needs_a_runtime() {
        let error = Builder::new(DEFAULT_ADDRESS).connect().unwrap_err();
        assert!(error.to_string().contains("Tokio runtime"), "{error}");
    }
}
