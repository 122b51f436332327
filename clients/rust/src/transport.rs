use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::transport::{Channel, Endpoint};

use crate::BoxError;
use crate::v1::event_service_client::EventServiceClient;
use crate::v1::export_service_client::ExportServiceClient;
use crate::v1::gateway_service_client::GatewayServiceClient;
use crate::v1::subscription_service_client::SubscriptionServiceClient;

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Gives a bearer token for each call.
pub(crate) type TokenSource = Arc<dyn Fn() -> Boxed<String> + Send + Sync>;

/// Makes connections, each with the same credentials.
pub(crate) struct Dialer {
    pub(crate) endpoint: Endpoint,
    pub(crate) token: Option<TokenSource>,
}

impl Dialer {
    /// A new connection, made when it is first used. Must be called within a Tokio runtime.
    pub(crate) fn dial(&self) -> Transport {
        Transport { channel: self.endpoint.connect_lazy(), token: self.token.clone() }
    }
}

/// What calls travel by: a connection that is made anew when it was lost, and the bearer token. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    channel: Channel,
    token: Option<TokenSource>,
}

/// Admits an event of the largest size (3 MiB) with room to spare.
const MAX_MESSAGE: usize = 8 << 20;

impl Transport {
    pub(crate) fn events(self) -> EventServiceClient<Transport> {
        EventServiceClient::new(self).max_decoding_message_size(MAX_MESSAGE)
    }

    pub(crate) fn subscriptions(self) -> SubscriptionServiceClient<Transport> {
        SubscriptionServiceClient::new(self).max_decoding_message_size(MAX_MESSAGE)
    }

    pub(crate) fn exports(self) -> ExportServiceClient<Transport> {
        ExportServiceClient::new(self).max_decoding_message_size(MAX_MESSAGE)
    }

    pub(crate) fn gateway(self) -> GatewayServiceClient<Transport> {
        GatewayServiceClient::new(self).max_decoding_message_size(MAX_MESSAGE)
    }
}

impl Service<http::Request<Body>> for Transport {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = Boxed<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.channel.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The one that is ready makes the call; its clone gets ready for the next.
        let next = self.channel.clone();
        let mut ready = mem::replace(&mut self.channel, next);
        let token = self.token.clone();
        Box::pin(async move {
            if let Some(token) = token {
                request.headers_mut().insert(http::header::AUTHORIZATION, bearer(&token).await?);
            }
            Ok(ready.call(request).await?)
        })
    }
}

async fn bearer(token: &TokenSource) -> Result<http::HeaderValue, Status> {
    let token = token().await.map_err(|e| Status::unauthenticated(format!("no bearer token: {e}")))?;
    let mut value = http::HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Status::unauthenticated("the bearer token has characters that a header can't have"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("token", &self.token.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(token: Result<&'static str, &'static str>) -> TokenSource {
        Arc::new(move || Box::pin(std::future::ready(token.map(Into::into).map_err(Into::into))))
    }

    #[tokio::test]
    async fn a_token_is_sent_as_a_bearer_and_not_shown() {
        let value = bearer(&source(Ok("secret"))).await.unwrap();
        assert_eq!(value, "Bearer secret");
        assert!(!format!("{value:?}").contains("secret"));
    }

    #[tokio::test]
    async fn without_a_token_the_call_fails() {
        for (token, want) in
            [(Err("expired"), "no bearer token: expired"), (Ok("a\nb"), "a header can't have")]
        {
            let status = bearer(&source(token)).await.unwrap_err();
            assert_eq!(status.code(), tonic::Code::Unauthenticated);
            assert!(status.message().contains(want), "{status}");
        }
    }

    /// The source's error is what the caller gets, as a status, before anything is sent.
    #[tokio::test]
    async fn the_sources_error_reaches_the_caller() {
        let client = crate::Client::builder("127.0.0.1:1")
            .token_source(|| std::future::ready(Err::<String, _>("expired")))
            .connect()
            .unwrap();
        let error: crate::Error =
            client.gateway().get_status(crate::v1::GetStatusRequest {}).await.unwrap_err().into();
        assert_eq!(error.code(), crate::Code::Unauthenticated, "{error}");
    }
}
