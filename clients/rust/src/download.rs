use std::fmt::{self, Write as _};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::sleep;
use tonic::Streaming;

use crate::backoff::jitter;
use crate::v1::{DownloadExportRequest, DownloadExportResponse};
use crate::{Client, Error};

/// How many connections in a row may fail without a byte before a download fails.
const MAX_FAILURES: u32 = 8;

/// A stream of an export's bytes; see [`Client::download`].
///
/// It resumes by itself when a connection is lost, and ends without an error only once the whole file came and its SHA-256 is
/// right. Dropping it ends the download.
#[must_use = "streams do nothing unless polled"]
pub struct Download {
    state: State,
    size: u64,
    sha256: String,
    offset: u64,
}

enum State {
    Idle(Box<Transfer>),
    Waiting(Wait),
    Ended,
}

type Wait = Pin<Box<dyn Future<Output = (Box<Transfer>, Result<Option<Bytes>, Error>)> + Send>>;

impl Download {
    pub(crate) async fn begin(
        client: Client,
        id: String,
        so_far: impl AsyncRead + Unpin,
    ) -> Result<Self, Error> {
        let (sum, offset) = sum_up(so_far).await?;
        let mut transfer = Transfer {
            client,
            id,
            stream: None,
            first: None,
            sum,
            offset,
            size: 0,
            sha256: String::new(),
            failures: 0,
        };
        transfer.first = Some(transfer.receive().await?);
        let (size, sha256) = (transfer.size, transfer.sha256.clone());
        Ok(Download { state: State::Idle(Box::new(transfer)), size, sha256, offset })
    }

    /// The whole file's size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The whole file's SHA-256, in lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How many bytes of the file have come, those that were there before included.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes that follow; none after the end. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`Error::Checksum`], [`Error::ExportChanged`], and those of the call. Each is the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let State::Idle(_) = self.state {
            let State::Idle(mut transfer) = std::mem::replace(&mut self.state, State::Ended) else {
                unreachable!()
            };
            self.state = State::Waiting(Box::pin(async move {
                let result = transfer.next().await;
                (transfer, result)
            }));
        }
        let State::Waiting(wait) = &mut self.state else {
            return Poll::Ready(None);
        };
        let (transfer, result) = ready!(wait.as_mut().poll(cx));
        self.offset = transfer.offset;
        self.state = match result {
            Ok(Some(_)) => State::Idle(transfer),
            _ => State::Ended,
        };
        Poll::Ready(result.transpose())
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("offset", &self.offset)
            .field("size", &self.size)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

async fn sum_up(mut so_far: impl AsyncRead + Unpin) -> Result<(Sha256, u64), Error> {
    let (mut sum, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match so_far.read(&mut buffer).await.map_err(|e| Error::Resume(e.into()))? {
            0 => return Ok((sum, length)),
            n => {
                sum.update(&buffer[..n]);
                length += n as u64;
            }
        }
    }
}

/// A download, across its connections.
struct Transfer {
    client: Client,
    id: String,
    stream: Option<Streaming<DownloadExportResponse>>,
    /// What came first, before it was asked for.
    first: Option<Bytes>,
    sum: Sha256,
    /// What has been received and handed on.
    offset: u64,
    size: u64,
    /// As the gateway says; empty before it has.
    sha256: String,
    /// In a row.
    failures: u32,
}

impl Transfer {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let data = match self.first.take() {
                Some(first) => first,
                None if self.offset == self.size => return self.verify().map(|()| None),
                None => self.receive().await?,
            };
            if !data.is_empty() {
                self.sum.update(&data);
                self.offset += data.len() as u64;
                return Ok(Some(data));
            }
        }
    }

    fn verify(&self) -> Result<(), Error> {
        let got = hex(&self.sum.clone().finalize());
        if got == self.sha256 { Ok(()) } else { Err(Error::Checksum { got, want: self.sha256.clone() }) }
    }

    /// The next piece, over as many connections as that takes.
    async fn receive(&mut self) -> Result<Bytes, Error> {
        loop {
            let error = match self.receive_once().await {
                Ok(data) => return Ok(data),
                Err(error) => error,
            };
            self.stream = None;
            self.failures += 1;
            if !error.retryable() || self.failures == MAX_FAILURES {
                return Err(error);
            }
            sleep(jitter(self.failures)).await;
        }
    }

    async fn receive_once(&mut self) -> Result<Bytes, Error> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(self.open().await?),
        };
        // An end would not be waited for, so this one is too early; some proxies cut streams so.
        let early = || Error::unavailable("the stream ended before the file did");
        let piece = stream.message().await?.ok_or_else(early)?;
        self.check(piece)
    }

    async fn open(&self) -> Result<Streaming<DownloadExportResponse>, Error> {
        let offset = i64::try_from(self.offset)
            .map_err(|_| Error::Config(format!("no export has {} bytes", self.offset)))?;
        let request = DownloadExportRequest { id: self.id.clone(), offset };
        Ok(self.client.exports().download_export(request).await?.into_inner())
    }

    fn check(&mut self, piece: DownloadExportResponse) -> Result<Bytes, Error> {
        if !self.sha256.is_empty() && self.sha256 != piece.sha256 {
            return Err(Error::ExportChanged);
        }
        if u64::try_from(piece.offset) != Ok(self.offset) {
            let text =
                format!("the gateway sent byte {} of the export instead of {}", piece.offset, self.offset);
            return Err(tonic::Status::data_loss(text).into());
        }
        if !piece.data.is_empty() {
            self.failures = 0;
        }
        self.size = u64::try_from(piece.total_bytes).unwrap_or_default();
        self.sha256 = piece.sha256;
        Ok(piece.data)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}
